"""The workshop app."""

from django.apps import AppConfig


class WorkshopConfig(AppConfig):
    name = "workshop"
    verbose_name = "Workshop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.registry import PersonalData, on_verified, personal_data, token_claims
        from cars.access import vehicle_readers
        from cars.sync.registry import register_source
        from workshop.catalogue.source import PRODUCTS
        from workshop.services import customers, estimates, mechanics, messages, privacy

        register_source(PRODUCTS)
        messages.register_kinds({messages.ESTIMATE_READY: estimates.build_mail})
        personal_data.register("workshop", PersonalData(export=privacy.export_person, erase=privacy.erase_person))
        token_claims.register(privacy.claims_of)
        vehicle_readers.register(mechanics.vehicles_in_work)
        on_verified.register(customers.link_customer)
