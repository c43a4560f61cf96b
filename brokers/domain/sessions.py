"""The one brokerage session of a connection: what signs in, and what its state is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
    # Keys of the team's own; or the operator's, whom a user has let in at IBKR.
    OAUTH = "oauth"
    OPERATOR = "oauth_operator"

    @property
    def signs(self) -> bool:
        """Whether requests are signed with keys, so that nobody signs in at a gateway."""
        return self is not AuthMethod.GATEWAY


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
    # Somebody is signed in, and IBKR has not opened the brokerage session.
    NOT_OPENED = "not_opened"
    # The key waits for IBKR to activate it.
    PENDING = "pending"
    # IBKR takes the keys or the access no more, until a person gives them again.
    REVOKED = "revoked"
    # What answers shows a certificate that is not believed, so nothing is sent to it.
    CERTIFICATE_REFUSED = "certificate_refused"
    # Something answers, and no encrypted line to it comes about.
    ENCRYPTION_FAILED = "encryption_failed"


class Ownership(StrEnum):
    """Whose the session is when another login of the same user takes it."""

    ALWAYS = "always"
    POLITE = "polite"
    YIELD = "yield"


class Cause(StrEnum):
    """What made Halyard see a session's state."""

    LOOK = "look"
    TICKLE = "tickle"
    STREAM = "stream"
    ORDER = "order"
    OPENING = "opening"
    PERSON = "person"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Everything needed to speak to the broker as one IBKR user. `secrets` never appears in a repr or a log.

    `tenant` names the team that it belongs to: nothing that one team's gateway does is believed of another's.
    `connection` is the number of the connection, where its processes meet and whose calls are kept; 0: of none.
    """

    username: str
    environment: Environment
    auth_method: AuthMethod
    base_url: str
    region: Region = Region.NORTH_AMERICA
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    tenant: str = ""
    connection: int = 0

    @property
    def peer(self) -> str:
        """Who answers at its address, in the words that a sentence begins with."""
        if self.environment is Environment.SIMULATED:
            return "The simulated IBKR"
        return "IBKR" if self.auth_method.signs else "The gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What IBKR says of the login behind a session: where it is served, as IBKR calls it, and when somebody signed in."""

    place: str = ""
    signed_in_at: datetime | None = None


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
    # IBKR asks to be waited for.
    waiting: bool = False
    # What answered was a web page, or another address: anybody's.
    page: bool = False

    @property
    def ready(self) -> bool:
        """True when orders may be sent."""
        return self.authenticated and self.connected and not self.competing and self.established is not False
