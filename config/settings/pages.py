"""What answers: the apps, what every request passes, templates, static files, the REST API and the log."""

from __future__ import annotations

from config import env
from config.settings.installation import BASE_DIR, DEBUG

INSTALLED_APPS = [
    "config.apps.CompositionConfig",
    "accounts.apps.AccountsConfig",
    "brokers",
    "brokers.simulator",
    "strategies",
    "channels",
    "accounts.apps.OperatorConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
]

MIDDLEWARE = [
    "accounts.middleware.ClientAddress",
    "accounts.audit.origin.Origins",
    "django.middleware.security.SecurityMiddleware",
    "accounts.middleware.StaticFiles",
    "accounts.middleware.ContentSecurityPolicy",
    "accounts.middleware.NotKept",
    "accounts.middleware.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "accounts.middleware.ViewersTimeZone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.entrance.sessions.IdleSessions",
    "accounts.pages.asking.Asking",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.pages.context.page",
            ],
            "builtins": [
                "django.contrib.humanize.templatetags.humanize",
                "accounts.templatetags.ui",
                "brokers.templatetags.trading",
                "strategies.templatetags.decisions",
            ],
        },
    }
]

# Who names what needs somebody now; see `accounts.feed.needs`.
NEEDS = [
    "brokers.needs.kinds.NEEDS",
    "strategies.control.needs.NEEDS",
    "strategies.setup.departures.NEEDS",
    "accounts.departures.NEEDS",
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files are found where they lie and cached by content: no collect step between a change and the browser.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.tokens.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "accounts.api.schema.WithFilters",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.text("HALYARD_API_RATE", "600/min")},
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "accounts.api.refusals.explain",
}
SPECTACULAR_SETTINGS = {"TITLE": "Halyard API", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

LOG_LEVEL = env.text("HALYARD_LOG_LEVEL", "INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)-7s %(name)s  %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL, "handlers": ["console"], "propagate": False}
        for name in ("accounts", "brokers", "strategies", "config")
    },
}
