"""The parking app."""

from django.apps import AppConfig


class ParkingConfig(AppConfig):
    name = "parking"
    verbose_name = "Parking"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.registry import PersonalData, exports, personal_data
        from parking import checks  # noqa: F401 - registers the system check
        from parking.exports import KIND, PARKING
        from parking.services import messages, reminders, reports
        from parking.services.reservations import erase_reservations, export_reservations

        messages.register_kinds()
        reminders.register_kinds()
        reports.register_kinds()
        personal_data.register("parking", PersonalData(export=export_reservations, erase=erase_reservations))
        exports.register(KIND, PARKING)
