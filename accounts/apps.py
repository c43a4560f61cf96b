from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig

# Apps of libraries that have rows an operator sees.
NAMES = {
    "account": "E-mail addresses",
    "mfa": "Second steps",
    "usersessions": "Browsers",
    "auth": "Groups of operators",
    "admin": "Record",
}


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and teams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They listen to signals: a sign-in, a confirmation, a new password, the end of a session.
        from accounts import reclaim  # noqa: F401
        from accounts.audit import listening  # noqa: F401
        from accounts.entrance import sessions, step_up  # noqa: F401

        # Here, not above: rows need the apps.
        from accounts.entrance.operators import OperatorSite
        from accounts.feed import endings  # noqa: F401
        from accounts.readonly import TASKS

        OperatorSite.tasks = TASKS
        for label, name in NAMES.items():
            apps.get_app_config(label).verbose_name = name


class OperatorConfig(AdminConfig):
    """Django's admin, whose only way in is our own sign-in."""

    default_site = "accounts.entrance.operators.OperatorSite"
