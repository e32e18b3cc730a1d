"""The parking app."""

from django.apps import AppConfig


class ParkingConfig(AppConfig):
    name = "parking"
    verbose_name = "Parking"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from parking import checks  # noqa: F401 - registers the system check
