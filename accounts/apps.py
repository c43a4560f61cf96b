from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"


class OperatorConfig(AdminConfig):
    """Django's admin, whose only way in is our own sign-in."""

    default_site = "accounts.entrance.operators.OperatorSite"
