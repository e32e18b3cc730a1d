"""Forecourt's tables as unmanaged models, as far as they are read."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class User(AbstractBaseUser):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)

    USERNAME_FIELD = "email"

    class Meta:
        managed = False
        db_table = "accounts_user"


class Car(models.Model):
    make = models.CharField(max_length=128)
    model = models.CharField(max_length=160)
    year = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=128)
    make_key = models.CharField(max_length=256)
    source = models.CharField(max_length=32)
    external_id = models.CharField(max_length=64, null=True)
    source_updated_at = models.DateTimeField(null=True)
    created_in_run = models.BigIntegerField(db_column="created_in_run_id", null=True)
    locked_fields = models.JSONField(default=list)
    withdrawn_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "cars_car"

    def __str__(self) -> str:
        return f"{self.year} {self.make} {self.model}"
