"""The cars app."""

from django.apps import AppConfig


class CarsConfig(AppConfig):
    name = "cars"
    verbose_name = "Cars"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.registry import NotificationKind, notification_kinds
        from cars.sync.cars import CARS
        from cars.sync.registry import register_source
        from cars.sync.runs import ALERT_KIND

        register_source(CARS)
        notification_kinds.register(ALERT_KIND, NotificationKind(label="Trouble with a sync"))
