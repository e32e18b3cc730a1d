"""The cars app."""

from django.apps import AppConfig


class CarsConfig(AppConfig):
    name = "cars"
    verbose_name = "Cars"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.registry import NotificationKind, PersonalData, exports, notification_kinds, personal_data
        from cars.exports import CARS as CARS_EXPORT
        from cars.services import erase_vehicles, export_vehicles
        from cars.sync.cars import CARS
        from cars.sync.registry import register_source
        from cars.sync.runs import ALERT_KIND
        from cars.vin_providers import current_provider

        register_source(CARS)
        exports.register("cars", CARS_EXPORT)
        notification_kinds.register(ALERT_KIND, NotificationKind(label="Trouble with a sync"))
        personal_data.register("vehicles", PersonalData(export=export_vehicles, erase=erase_vehicles))
        current_provider()  # An unknown VIN_PROVIDER does not start.
