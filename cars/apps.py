"""The cars app."""

from django.apps import AppConfig


class CarsConfig(AppConfig):
    name = "cars"
    verbose_name = "Cars"
    default_auto_field = "django.db.models.BigAutoField"
