"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import exports, mail, privacy, sellers
        from accounts import schema as schema  # Importing it names our ways of signing in.

        mail.register_kinds()
        exports.register_kinds()
        sellers.register_kinds()
        privacy.register_own_data()
