"""The app registration of `common`: templates, static files and system checks only; it has no tables."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = "Common"
