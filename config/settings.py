"""One file, everything from the environment. Without DATABASE_URL and REDIS_URL, Halyard brings servers of its own."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.retry import Retry

from brokers.domain import addresses
from brokers.domain.session import resets
from config import embedded, env

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = embedded.data_folder(os.environ)
_urls = embedded.resolve(os.environ)
DATABASE_URL, REDIS_URL = _urls.database, _urls.redis
# An installation that brings its own database is somebody's own machine: it may make its own secrets and show a demo.
SELF_CONTAINED = embedded.urls(DATA).database == DATABASE_URL or env.flag("HALYARD_SELF_CONTAINED", False)
_own_secrets = embedded.secrets(DATA) if SELF_CONTAINED else {}


def _secret(name: str) -> str:
    return env.text(name, _own_secrets.get(name))


DEBUG = env.flag("HALYARD_DEBUG", False)
SECRET_KEY = env.strong("SECRET_KEY", _secret("SECRET_KEY"))
# Newest first. Webhook passwords are HMACs under these; secrets at rest are encrypted under those.
SERVER_KEYS = [env.strong("HALYARD_SERVER_KEYS", key) for key in env.keys("HALYARD_SERVER_KEYS", _own_secrets)]
ENCRYPTION_KEYS = [
    env.fernet_key("HALYARD_ENCRYPTION_KEYS", key) for key in env.keys("HALYARD_ENCRYPTION_KEYS", _own_secrets)
]

HOST = env.text("HOST", "127.0.0.1")
PORT = env.number("PORT", 8000, low=1, high=65535)
_everywhere = {"127.0.0.1", "0.0.0.0", "::"}  # noqa: S104  read, not bound to
_own_name = f"[{HOST}]" if ":" in HOST else HOST
PUBLIC_URL = env.text(
    "HALYARD_PUBLIC_URL", f"http://{'localhost' if HOST in _everywhere else _own_name}:{PORT}"
).rstrip("/")
_public = urlsplit(PUBLIC_URL)
HTTPS = _public.scheme == "https"
# Names that lead to this machine and to nobody else's. Any other name could be a stranger's page that points at us.
_own_hosts = ["localhost", "127.0.0.1", "[::1]", _public.netloc.rpartition("@")[2].removesuffix(f":{_public.port}")]
ALLOWED_HOSTS = env.words("HALYARD_ALLOWED_HOSTS") or [*_own_hosts, *([] if HOST in _everywhere else [_own_name])]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
# Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto we believe.
TRUSTED_PROXIES = env.networks("HALYARD_TRUSTED_PROXIES")
# The header in which such a proxy hands on the subject of a client certificate that it has verified.
CERTIFICATE_HEADER = env.text("HALYARD_CERTIFICATE_HEADER", "")

# The simulated IBKR: shown where a person tries the product, off in production unless asked for.
SIMULATOR = env.flag("HALYARD_SIMULATOR", SELF_CONTAINED)
GATEWAY_URL = env.text("HALYARD_GATEWAY_URL", embedded.gateway_url(DATA))
# What steals sessions and times out orders there. Made from our own key, so that nobody has to think of one; where the
# installation is not somebody's own machine, there is none unless it is given.
_own_token = hmac.new(SECRET_KEY.encode(), b"the simulated broker's control plane", "sha256").hexdigest()
SIM_CONTROL_TOKEN = env.text("SIM_CONTROL_TOKEN", _own_token if SIMULATOR and SELF_CONTAINED else "")
# With "signal" the price that came with a signal is the simulated market, and we tell it before each order.
SIM_PRICES = env.text("SIM_PRICES", "generated")
# Whom to write to about a weakness, as a mailto: or https: address; /.well-known/security.txt says it.
SECURITY_CONTACT = env.text("HALYARD_SECURITY_CONTACT", "")
SIGNUP_OPEN = env.flag("HALYARD_SIGNUP", True)
# IBKR's own Web API, for connections that sign with keys of their own.
IBKR_API_URL = env.text("HALYARD_IBKR_API_URL", "https://api.ibkr.com/v1/api")
IBKR_AUTHORIZE_URL = env.text("HALYARD_IBKR_AUTHORIZE_URL", "https://www.interactivebrokers.com/authorize")


def _consumer() -> dict[str, str]:
    """The operator's own consumer at IBKR, whom users let in with one click; nothing where there is none."""
    names = ("consumer_key", "signature_key", "encryption_key", "dh_parameters")
    if not (key := env.text("HALYARD_IBKR_CONSUMER_KEY", "")):
        return {}
    from brokers.ibkr.auth import keys, trouble

    values = {name: env.text(f"HALYARD_IBKR_{name.upper()}") for name in names[1:]} | {names[0]: key}
    try:
        keys.program_of(values)
    except trouble.KeyRefused as problem:
        raise env.SettingError(f"The consumer of HALYARD_IBKR_CONSUMER_KEY cannot sign in: {problem}") from None
    return values


IBKR_CONSUMER = _consumer()
# A user's own gateway may sit on a private address only where the operator is that user.
TRUST_PRIVATE_GATEWAYS = env.flag("HALYARD_TRUST_PRIVATE_GATEWAYS", SELF_CONTAINED)
# Or only in these networks; and everywhere only at these ports.
GATEWAY_RANGES = env.checked("HALYARD_GATEWAY_RANGES", "", addresses.networks)
GATEWAY_PORTS = env.checked(
    "HALYARD_GATEWAY_PORTS", "443,1024-65535" if SELF_CONTAINED else "443,5000-5099,8443", addresses.ports
)

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
    "brokers.needs.NEEDS",
    "strategies.control.needs.NEEDS",
    "strategies.setup.departures.NEEDS",
    "accounts.departures.NEEDS",
]


def _database(url: str) -> dict[str, Any]:
    """Django's settings for a libpq URL; psycopg itself does the reading."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    known = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {name: parts.pop(part, "") for name, part in known.items()}
    # A pool per process: ASGI serves pages from many threads, and one connection each would outgrow the server.
    pool = {"min_size": 1, "max_size": env.number("HALYARD_DATABASE_POOL", 12, low=1, high=200), "timeout": 10}
    # Parameters bound by the server, so that statements are planned once a connection and not once a call: planning
    # costs more than running what a signal needs. Behind a transaction pooler, switch it off.
    prepared = {"server_side_binding": True, "prepare_threshold": 3} if env.flag("HALYARD_PREPARE", True) else {}
    return {
        **settings,
        "ENGINE": "django.db.backends.postgresql",
        # A pool keeps connections of a server that has been restarted since; asked first, they are replaced.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**parts, **prepared, "pool": pool},
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer: the list-based one collapses at a thousand groups.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "halyard"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "accounts.entrance.counting.CountingCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "halyard-cache",
        "OPTIONS": {
            "serializer": "accounts.entrance.counting.JsonSerializer",
            # Nobody who signs in waits longer than this for a server that is away or hangs.
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
            "retry": Retry(NoBackoff(), 0),
        },
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CELERY = {
    "broker_url": _urls.broker,
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": False,
    "worker_hijack_root_logger": False,
    # Redis may be away when a process starts or while it runs; the rows wait, and so do we.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "visibility_timeout": 3600,
        "socket_keepalive": not REDIS_URL.startswith("unix"),
        "retry_on_timeout": True,
    },
    "timezone": "UTC",
    "task_default_queue": "housekeeping",
    # What moves money waits behind no housekeeping.
    "task_routes": {"brokers.work": {"queue": "orders"}, "strategies.decide": {"queue": "signals"}},
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"accounts.entrance.passwords.{name}"}
    for name in ("UnlikeTheAddress", "LongEnough", "NotCommon", "NotOnlyDigits")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
# Where strangers may come, nobody signs in under an address that they have not shown to be theirs.
ACCOUNT_EMAIL_VERIFICATION = env.choice(
    "HALYARD_EMAIL_VERIFICATION",
    ["optional", "mandatory", "none"] if SELF_CONTAINED else ["mandatory"],
    "An installation that is not self-contained has addresses confirmed, so that nobody signs up with somebody else's.",
)
ACCOUNT_LOGOUT_ON_GET = False
# Failed attempts, beside allauth's own limits. One address may guess a little at one account, and a little more at all of
# them; all addresses together may guess at one account no faster than `login_failed_account`. A browser in which its
# owner has signed in before is counted by itself, so that no number of strangers keeps the owner out.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/5m/key",
    "login_failed_account": "50/h/key",
    "login_failed_device": "10/5m/key",
    "api_token_failed": "60/m/ip",
    "csp_report": "20/m/ip",
    "gateway_call": "20/m/user",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {
    name: f"accounts.entrance.forms.{form}"
    for name, form in {
        "login": "LoginForm",
        "signup": "SignupForm",
        "add_email": "AddEmailForm",
        "change_email": "ChangeEmailForm",
        "change_password": "ChangePasswordForm",
        "set_password": "SetPasswordForm",
        "reset_password": "ResetPasswordForm",
        "reset_password_from_key": "ResetPasswordKeyForm",
        "reauthenticate": "ReauthenticateForm",
        "request_login_code": "RequestLoginCodeForm",
        "confirm_login_code": "ConfirmLoginCodeForm",
        "confirm_email_verification_code": "ConfirmEmailCodeForm",
        "confirm_password_reset_code": "ConfirmResetCodeForm",
    }.items()
}
# A mail goes out whenever something about signing in changes.
ACCOUNT_EMAIL_NOTIFICATIONS = True
# How long a proof of who sits there opens what moves money or shows a secret; and after how long without a click or a key
# the session ends (0: never).
STEP_UP_SECONDS = ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_REAUTHENTICATION_REQUIRED = True
IDLE_MINUTES = env.number("HALYARD_IDLE_MINUTES", 7 * 24 * 60, low=0)
# An operator's pages show every tenant, so a password alone never opens them.
STAFF_SECOND_FACTOR = env.flag("HALYARD_STAFF_SECOND_FACTOR", True)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Browsers take passkeys without TLS on this very machine only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
USERSESSIONS_TRACK_ACTIVITY = True
USERSESSIONS_ADAPTER = "accounts.adapter.Browsers"
MFA_ADAPTER = "accounts.adapter.TwoStepAdapter"
MFA_FORMS = {
    "authenticate": "accounts.entrance.forms.AuthenticateForm",
    "reauthenticate": "accounts.entrance.forms.ReauthenticateCodeForm",
    "activate_totp": "accounts.entrance.forms.ActivateAppForm",
    "add_webauthn": "accounts.entrance.forms.AddKeyForm",
    "edit_webauthn": "accounts.entrance.forms.EditKeyForm",
}


# Where mails are kept for the page that shows them: only on somebody's own machine that has no mail server.
MAIL_FOLDER: Path | None = None


def _email(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "console":
        globals()["EMAIL_BACKEND"] = "accounts.entrance.outbox.Backend"
        globals()["MAIL_FOLDER"] = DATA / "mails" if SELF_CONTAINED else None
        return
    if parts.scheme not in {"smtp", "smtps", "smtp+tls"}:
        raise env.SettingError(
            f"EMAIL_URL starts with {parts.scheme!r}. Use console:, smtp://, smtp+tls:// or smtps://."
        )
    globals().update(
        EMAIL_HOST=parts.hostname or "localhost",
        EMAIL_PORT=parts.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[parts.scheme],
        EMAIL_HOST_USER=unquote(parts.username or ""),
        EMAIL_HOST_PASSWORD=unquote(parts.password or ""),
        EMAIL_USE_SSL=parts.scheme == "smtps",
        EMAIL_USE_TLS=parts.scheme == "smtp+tls",
    )


# A mail server that hangs keeps nobody waiting for longer.
EMAIL_TIMEOUT = 20
# Others' installations say where mail goes, and be it the log: a reset that nobody receives is found too late.
_email(env.text("EMAIL_URL", "console:" if SELF_CONTAINED else None))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"Halyard <halyard@{_public.hostname}>")

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

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Two installations on one machine differ by port only, and cookies ignore ports.
SESSION_COOKIE_NAME = f"halyard_session_{PORT}"
CSRF_COOKIE_NAME = f"halyard_csrf_{PORT}"
DEVICE_COOKIE_NAME = f"halyard_device_{PORT}"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

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

# How long our own copy of the broker's book counts as the present, and how often the sweep looks for lost nudges.
BOOK_FRESH_SECONDS = env.number("HALYARD_BOOK_FRESH_SECONDS", 90, low=1)
KEEP_SECONDS = env.number("HALYARD_KEEP_SECONDS", 55, low=1)
# Requests a second to IBKR's own hosts from this installation's address, for all teams together.
IBKR_PER_SECOND = env.number("HALYARD_IBKR_PER_SECOND", 50, low=1, high=1000)
SWEEP_SECONDS = env.number("HALYARD_SWEEP_SECONDS", 2, low=1)
# When IBKR restarts its servers, by region and at the weekend, and for how long before that nothing leaves.
RESET_WINDOWS = env.checked("HALYARD_RESET_WINDOWS", "", resets.read)
RESET_GATE_SECONDS = env.number("HALYARD_RESET_GATE_SECONDS", 120, low=0, high=3600)
# Whether ways out of positions may still leave in these minutes, until the window itself begins.
EXITS_BEFORE_RESETS = env.flag("HALYARD_EXITS_BEFORE_RESETS", False)
WORK_SHARDS = env.number("HALYARD_WORK_SHARDS", 1, low=1, high=64)
WEBHOOK_BODY_LIMIT = 64 * 1024
WEBHOOK_BODY_SECONDS = env.number("HALYARD_WEBHOOK_BODY_SECONDS", 8, low=1)
# What a new strategy takes from each of its webhooks; its owner can change both.
WEBHOOK_PER_MINUTE = env.number("HALYARD_WEBHOOK_PER_MINUTE", 60, low=1)
WEBHOOK_PER_HOUR = env.number("HALYARD_WEBHOOK_PER_HOUR", 500, low=1)
# How long bodies, headers and addresses of deliveries are kept, where a strategy says nothing else.
KEEP_DELIVERIES_DAYS = env.number("HALYARD_KEEP_DELIVERIES_DAYS", 365, low=1)
# How long the log of requests to gateways is kept, and how many of its rows of one connection at the most.
KEEP_CALLS_DAYS = env.number("HALYARD_KEEP_CALLS_DAYS", 7, low=1)
KEEP_CALLS = env.number("HALYARD_KEEP_CALLS", 5000, low=100)
# How long owners can read the history of a team they closed, and open it again; then its rows are removed.
KEEP_CLOSED_TEAMS_DAYS = env.number("HALYARD_KEEP_CLOSED_TEAMS_DAYS", 30, low=1)
