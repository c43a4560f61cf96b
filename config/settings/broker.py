"""IBKR: the simulated one, its own addresses, where users may send us, its nights, and how long what is known of it counts."""

from __future__ import annotations

import hmac

from brokers.domain import addresses
from brokers.domain.session import resets
from config import embedded, env
from config.settings.installation import DATA, SECRET_KEY, SELF_CONTAINED

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

# How long our own copy of the broker's book counts as the present: by itself, and while its stream lives. A stream lives
# while its last sign of life is so young. And how often the sweep looks for lost nudges.
STREAM_PROOF_SECONDS = env.number("HALYARD_STREAM_PROOF_SECONDS", 5, low=1, high=60)
BOOK_FRESH_SECONDS = env.number("HALYARD_BOOK_FRESH_SECONDS", 90, low=1)
KEEP_SECONDS = env.number("HALYARD_KEEP_SECONDS", 55, low=1)
# Requests a second to IBKR's own hosts from this installation's address, for all teams together.
IBKR_PER_SECOND = env.number("HALYARD_IBKR_PER_SECOND", 50, low=1, high=1000)
# How many questions of IBKR's about one order are answered in a row, and for how long: the next one is declined.
IBKR_QUESTIONS = env.number("HALYARD_IBKR_QUESTIONS", 10, low=1, high=100)
IBKR_QUESTION_SECONDS = env.number("HALYARD_IBKR_QUESTION_SECONDS", 30, low=1, high=600)
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
# What all webhooks of a team take together in a minute, whatever their own limits.
WEBHOOK_TEAM_PER_MINUTE = env.number("HALYARD_TEAM_PER_MINUTE", 1200, low=1)
# How long bodies, headers and addresses of deliveries are kept, where a strategy says nothing else.
KEEP_DELIVERIES_DAYS = env.number("HALYARD_KEEP_DELIVERIES_DAYS", 365, low=1)
# How long the log of requests to gateways is kept, and how many of its rows of one connection at the most.
KEEP_CALLS_DAYS = env.number("HALYARD_KEEP_CALLS_DAYS", 7, low=1)
KEEP_CALLS = env.number("HALYARD_KEEP_CALLS", 5000, low=100)
# How long owners can read the history of a team they closed, and open it again; then its rows are removed.
KEEP_CLOSED_TEAMS_DAYS = env.number("HALYARD_KEEP_CLOSED_TEAMS_DAYS", 30, low=1)
