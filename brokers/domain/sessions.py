"""The one brokerage session of a connection: what signs in, and what its state is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo


class SimulatedPrices(StrEnum):
    """Where the simulated market's prices come from for the orders of a connection: its own, or those of the signals."""

    GENERATED = "generated"
    SIGNAL = "signal"


class Environment(StrEnum):
    SIMULATED = "simulated"
    PAPER = "paper"
    LIVE = "live"


class AuthMethod(StrEnum):
    GATEWAY = "gateway"
    OAUTH = "oauth"


class Region(StrEnum):
    NORTH_AMERICA = "NA"
    EUROPE = "EU"
    ASIA = "APAC"


class SessionStatus(StrEnum):
    SIGNED_OUT = "signed_out"
    CONNECTING = "connecting"
    ACTIVE = "active"
    COMPETING = "competing"
    RESETTING = "resetting"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Everything needed to speak to the broker as one IBKR user. `secrets` never appears in a repr or a log.

    `tenant` names the team that it belongs to: nothing that one team's gateway does is believed of another's.
    """

    username: str
    environment: Environment
    auth_method: AuthMethod
    base_url: str
    region: Region = Region.NORTH_AMERICA
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStatus:
    """IBKR's answer about the brokerage session. `established` is None on servers too old to say."""

    authenticated: bool
    connected: bool
    competing: bool
    established: bool | None = None
    message: str = ""
    # Names what the message says, and never changes.
    code: str = ""

    @property
    def ready(self) -> bool:
        """True when orders may be sent."""
        return self.authenticated and self.connected and not self.competing and self.established is not False


# IBKR's sources disagree about the nightly reset; these are the widest hours any of them names (local wall clock).
RESET_WINDOWS: dict[Region, tuple[time, time, str]] = {
    Region.NORTH_AMERICA: (time(23, 45), time(0, 45), "America/New_York"),
    Region.EUROPE: (time(6, 25), time(7, 45), "Europe/Zurich"),
    Region.ASIA: (time(4, 45), time(6, 5), "Asia/Hong_Kong"),
}


def in_reset_window(now: datetime, region: Region) -> bool:
    """True while IBKR restarts its servers for the night; the window may cross midnight."""
    opens, closes, zone = RESET_WINDOWS[region]
    local = now.astimezone(ZoneInfo(zone)).time()
    return opens <= local < closes if opens <= closes else local >= opens or local < closes


def code_of(auth: AuthStatus, status: SessionStatus) -> str:
    """The stable code of a verdict."""
    named = {
        SessionStatus.ACTIVE: "signed-in",
        SessionStatus.COMPETING: "competing-session",
        SessionStatus.RESETTING: "nightly-restart",
        SessionStatus.CONNECTING: "session-opens",
    }
    return named.get(status) or auth.code or "not-signed-in"


def verdict(auth: AuthStatus, now: datetime, *, environment: Environment, region: Region) -> tuple[SessionStatus, str]:
    """The session's status and the sentence that explains it."""
    if auth.ready:
        return SessionStatus.ACTIVE, "Signed in at IBKR; orders can be sent."
    if auth.competing:
        return (
            SessionStatus.COMPETING,
            "IBKR gave this session to another login of the same user. Give this connection its own IBKR user.",
        )
    if environment is not Environment.SIMULATED and in_reset_window(now, region):
        return (
            SessionStatus.RESETTING,
            "IBKR restarts its servers at this hour; Halyard signs in again when it is back.",
        )
    if auth.authenticated:
        return (
            SessionStatus.CONNECTING,
            "IBKR has accepted the sign-in and is opening the brokerage session; nothing is to be done.",
        )
    return (
        SessionStatus.SIGNED_OUT,
        auth.message or "IBKR has no brokerage session for this user; Halyard is signing in.",
    )
