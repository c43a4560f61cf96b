"""A trial of a connection: one step after another, each with its answer and what that proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from brokers.domain.addresses import AddressRefused, Location
from brokers.domain.brokerage import AccountFacts, BrokerError, CertificateRefused
from brokers.domain.certificates import Certificate, age, ending
from brokers.domain.sessions import AuthStatus, Environment


class Outcome(StrEnum):
    GOOD = "good"
    # Somebody has to look: at a certificate, or to log in.
    LOOK = "look"
    BAD = "bad"
    NOT_REACHED = "not_reached"


STEPS = {
    "look_up": "Look the name up",
    "dial": "Call the gateway",
    "certificate": "Look at its certificate",
    "session": "Ask for the session",
    "accounts": "Ask for the accounts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what came of it, the answer as a sentence, what that proves, and the answer's stable code."""

    name: str
    outcome: Outcome
    answer: str
    proves: str = ""
    code: str = ""

    @property
    def title(self) -> str:
        return STEPS[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a trial found, when."""

    at: datetime
    steps: tuple[Step, ...]
    certificate: Certificate | None = None

    @property
    def outcome(self) -> Outcome:
        """The first that is not good, as a whole."""
        return next((step.outcome for step in self.steps if step.outcome is not Outcome.GOOD), Outcome.GOOD)

    def as_json(self) -> dict[str, Any]:
        """For a row."""
        shown = self.certificate.as_json() if self.certificate else None
        return {"at": self.at.isoformat(), "steps": [asdict(step) for step in self.steps], "certificate": shown}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Report:
        """As `as_json` wrote it."""
        steps = tuple(Step(**{**step, "outcome": Outcome(step["outcome"])}) for step in row["steps"])
        certificate = Certificate.from_json(row["certificate"]) if row["certificate"] else None
        return cls(at=datetime.fromisoformat(row["at"]), steps=steps, certificate=certificate)


def looked_up(location: Location, addresses: Sequence[str]) -> Step:
    return Step(
        name="look_up",
        outcome=Outcome.GOOD,
        answer=f"{location.host} is {', '.join(addresses[:4])}.",
        proves="The name is known, and Halyard may go where it leads.",
        code="known-host",
    )


def not_looked_up(refusal: AddressRefused) -> Step:
    return Step(name="look_up", outcome=Outcome.BAD, answer=str(refusal), code=refusal.code)


def dialled(location: Location, address: str) -> Step:
    return Step(
        name="dial",
        outcome=Outcome.GOOD,
        answer=f"{address} takes calls at port {location.port}.",
        proves="Something listens there, and no firewall is in the way.",
        code="dialled",
    )


def not_dialled(location: Location, problem: BaseException) -> Step:
    """Nobody took the call: which of the two ways, since they are mended in different places."""
    place = f"{location.host}, port {location.port}"
    if isinstance(problem, ConnectionRefusedError):
        answer, code = f"The machine of {place} answers, and nothing listens there. Start the gateway.", "dial-refused"
    elif isinstance(problem, TimeoutError):
        answer = f"Nobody answers at {place}. Check that the machine runs, and its firewall."
        code = "dial-unanswered"
    else:
        answer, code = f"No way leads to {place}. Check the address and the network.", "no-way"
    return Step(name="dial", outcome=Outcome.BAD, answer=answer, code=code)


def plain(*, speaks_tls: bool) -> Step:
    """Of an address over http."""
    if speaks_tls:
        return Step(
            name="certificate",
            outcome=Outcome.BAD,
            answer="The address begins with http://, and what answers there speaks https. Begin it with https://.",
            code="gateway-speaks-https",
        )
    return Step(
        name="certificate",
        outcome=Outcome.GOOD,
        answer="Plain http, which has none. Whoever uses this machine can read and change what is sent.",
        proves="Only that it stays on this machine.",
        code="plain-http",
    )


def shown(certificate: Certificate, pin: str, now: datetime) -> Step:
    """Whether the certificate is one to trust: the pinned one, or one that an authority vouches for."""
    dates = age(certificate, now)
    if pin and certificate.sha256 != pin:
        return Step(
            name="certificate",
            outcome=Outcome.LOOK,
            answer=f"It shows another certificate than the accepted one; the new one ends in {ending(certificate.sha256)}. "
            f"Compare it with your gateway's, and accept it only if it is yours. {dates}".strip(),
            proves="Nothing. Your gateway may have a new certificate, or something stands between.",
            code="certificate-changed",
        )
    if pin:
        return Step(
            name="certificate",
            outcome=Outcome.GOOD,
            answer=f"It shows the accepted certificate, which ends in {ending(pin)}. {dates}".strip(),
            proves="This is the gateway that was accepted, and nobody reads along.",
            code="certificate-pinned",
        )
    if certificate.is_public:
        return Step(
            name="certificate",
            outcome=Outcome.GOOD,
            answer=f"An authority that every machine knows signed its certificate ({certificate.issuer}).",
            proves="It belongs to this address, and needs no acceptance.",
            code="certificate-public",
        )
    return Step(
        name="certificate",
        outcome=Outcome.LOOK,
        answer=f"{_WHY[certificate.trouble]} Compare it with your gateway's, and accept it if it is yours. {dates}".strip(),
        proves="Nothing before you have compared it.",
        code="certificate-unknown",
    )


_WHY = {
    "self-signed": "It shows a certificate that it signed itself, as IBKR's gateway does.",
    "unknown": "It shows a certificate of an authority that Halyard does not know.",
    "other-name": "Its certificate was made for another name than the one in the address.",
    "over": "An authority signed its certificate, which has ended.",
    "early": "An authority signed its certificate, which is not valid yet.",
}


class Silence(StrEnum):
    """Why an address over https showed no certificate, as a stable code."""

    HANGS = "handshake-unanswered"
    BROKEN_OFF = "tls-broken-off"
    NO_TLS = "gateway-speaks-http"


_SILENCES = {
    Silence.HANGS: "It took the call and said no more: the handshake was not finished in time. Start the gateway anew.",
    Silence.BROKEN_OFF: "It took the call and broke the TLS handshake off. Check that the port is the gateway's, and that "
    "its ips.allow lets this server ask.",
    Silence.NO_TLS: "The address begins with https://, and what answers there speaks no TLS. Check the port; a gateway with "
    "listenSsl: false is reached over http://, from this machine only.",
}


def not_shown(why: Silence) -> Step:
    """Of an address over https where no handshake came about."""
    return Step(name="certificate", outcome=Outcome.BAD, answer=_SILENCES[why], code=str(why))


def asked(auth: AuthStatus, environment: Environment) -> Step:
    """What the gateway says of the session."""
    if auth.ready:
        answer, proves, code = "Signed in; orders can be sent.", "IBKR has opened the brokerage session.", "signed-in"
        return Step(name="session", outcome=Outcome.GOOD, answer=answer, proves=proves, code=code)
    # A page may come from anybody.
    gateway = "" if auth.page else "A gateway of IBKR answers."
    if auth.competing:
        answer, code = "Another login of the same user has the session. Give it a user of its own.", "competing-session"
    elif auth.authenticated:
        answer, code = (
            "Logged in; Halyard opens the brokerage session itself when the connection is on.",
            "session-opens",
        )
    elif environment is Environment.SIMULATED:
        answer, code = "Not signed in yet; Halyard signs in itself when the connection is on.", "not-signed-in"
    else:
        answer = auth.message or "Nobody is logged in. Log in at the gateway's page."
        code = "sign-in-page" if auth.page else auth.code or "not-signed-in"
    return Step(name="session", outcome=Outcome.LOOK, answer=answer, proves=gateway, code=code)


def failed(name: str, error: BrokerError) -> Step:
    """A step that the broker, or what stands there instead, answered badly."""
    outcome = Outcome.LOOK if isinstance(error, CertificateRefused) else Outcome.BAD
    return Step(name=name, outcome=outcome, answer=str(error), code=error.code)


def listed(facts: Sequence[AccountFacts], environment: Environment) -> Step:
    """The accounts that IBKR shows, and whether they are of the kind that was connected."""
    if not facts:
        return Step(
            name="accounts", outcome=Outcome.BAD, answer="IBKR shows no account under this user.", code="no-account"
        )
    names = ", ".join(fact.account_id for fact in facts[:10])
    kinds = "paper" if all(fact.is_paper for fact in facts) else "live"
    if any(fact.is_paper is (environment is Environment.LIVE) for fact in facts):
        return Step(
            name="accounts",
            outcome=Outcome.BAD,
            answer=f"IBKR shows {names}: {kinds} money, and the connection is marked {environment}. Connect it as {kinds}.",
            code=f"user-is-{kinds}",
        )
    money = "simulated money" if environment is Environment.SIMULATED else f"{kinds} money"
    return Step(
        name="accounts",
        outcome=Outcome.GOOD,
        answer=f"IBKR shows {names}.",
        proves=f"It is {money}, as the connection is marked.",
        code="accounts-shown",
    )


def not_reached(begun: Sequence[Step], names: Sequence[str]) -> tuple[Step, ...]:
    """The steps so far, and those that were not come to."""
    done = {step.name for step in begun}
    rest = [name for name in names if name not in done]
    later = [
        Step(name=name, outcome=Outcome.NOT_REACHED, answer="Not asked, because of what is above.") for name in rest
    ]
    return (*begun, *later)
