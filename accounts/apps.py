"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import api_keys, exports, mail, privacy, sellers
        from accounts import checks as checks  # Importing these two registers what they hold.
        from accounts import schema as schema

        mail.register_kinds()
        api_keys.register_kinds()
        exports.register_kinds()
        sellers.register_kinds()
        privacy.register_own_data()
