"""The auctions app."""

from django.apps import AppConfig


class AuctionsConfig(AppConfig):
    name = "auctions"
    verbose_name = "Auctions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.registry import PersonalData, personal_data
        from auctions.services import (
            digests,
            moderation,
            payouts,
            privacy,
            sales,
            searches,
            settlement_telling,
            telling,
            watching,
        )
        from cars.registry import on_archive

        for service in (telling, settlement_telling, payouts, watching, searches, digests):
            service.register_kinds()
        moderation.register_kinds()
        personal_data.register("auctions", PersonalData(export=privacy.export_auctions, erase=privacy.erase_auctions))
        on_archive.register(sales.require_not_in_sale)
