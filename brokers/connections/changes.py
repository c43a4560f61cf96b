"""A connection mended: its fields edited, its gateway's certificate accepted, the connection removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import Team, User
from accounts.vault.fields import Sealed
from brokers.connections import connections, tokens
from brokers.connections.connections import (
    PIN,
    QUICK_AGAIN,
    USERNAME,
    ConnectionRefused,
    pin_of,
    refuse_live_money_of_a_demo,
    row_of,
    wake,
)
from brokers.connections.reach import check_address
from brokers.connections.states import session_is
from brokers.connections.trials import try_address
from brokers.connections.user_accounts import USERNAME_TAKEN
from brokers.domain.addresses import AddressRefused, completed, location
from brokers.domain.certificates import Certificate, FingerprintRefused, fingerprint
from brokers.domain.live_money import Consent
from brokers.domain.orders import MAY_FILL
from brokers.domain.sessions import Environment, Region, SessionStatus
from brokers.domain.trials import Outcome, Report, Step
from brokers.models import BrokerageAccount, Connection, Order

REMOVED = "This connection was removed; its history stays. Make a new one."
_OF_THE_GATEWAY = "The certificate of a gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a connection's form holds."""

    name: str
    username: str
    environment: Environment
    base_url: str
    region: Region


def working_orders(connection: Connection) -> int:
    """Orders of the connection that may still fill, those that nobody knows the end of among them."""
    return Order.objects.filter(connection=connection, status__in=[str(status) for status in MAY_FILL]).count()


def edit(*, connection: Connection, fields: Fields, accepted: str, actor: User | None, now: datetime) -> None:
    """Change a connection; Halyard signs in again where that takes it. `accepted` is the fingerprint of the certificate
    that a person accepted for a new address.

    Raises ConnectionRefused, and CertificateUnknown when a new address shows a certificate that nobody accepted.
    """
    if connection.environment == Environment.SIMULATED:
        # It has the operator's gateway, and a user of its own: it has a name to change.
        fields = Fields(
            name=fields.name,
            username=connection.username,
            environment=Environment.SIMULATED,
            base_url="",
            region=Region(connection.region),
        )
    else:
        _check_fields(connection, fields)
    base_url, certificate = connection.base_url, None
    if fields.base_url and completed(fields.base_url) != connection.base_url:
        base_url = checked_address(fields.base_url, str(connection.team_id))
        certificate = accept_at(base_url, accepted, str(connection.team_id), now)
    _save(connection, fields, base_url, certificate, actor, now)


class CertificateUnknown(ConnectionRefused):
    """The address shows a certificate that a person has to look at first."""

    def __init__(self, report: Report) -> None:
        super().__init__(
            "This gateway signed its certificate itself. Compare it with your gateway's, and tick that it is yours.",
            "certificate-unknown",
        )
        self.report = report


def checked_address(text: str, team: str) -> str:
    """A gateway's address, completed, and within reach. Raises ConnectionRefused."""
    base_url = completed(text)
    try:
        check_address(base_url, team)
    except AddressRefused as refusal:
        raise ConnectionRefused(str(refusal), refusal.code) from refusal
    return base_url


def accept_at(base_url: str, accepted: str, team: str, now: datetime) -> Certificate | None:
    """The certificate at an address, when it is the accepted one or an authority vouches for it; None where nobody
    answers, or over plain http. Raises CertificateUnknown for any other."""
    report = try_address(base_url, team, now)
    certificate = report.certificate
    if certificate is None or certificate.is_public or certificate.sha256 == _plain(accepted):
        return certificate
    raise CertificateUnknown(report)


def connect(
    *, team: Team, fields: Fields, accepted: str, consent: Consent, actor: User | None, now: datetime
) -> Connection:
    """Make a connection. A gateway's own certificate is pinned when a person accepted it.

    Raises ConnectionRefused, and CertificateUnknown when nobody has. Where nobody answers yet it is made all the same.
    """
    base_url, certificate = "", None
    if fields.environment is not Environment.SIMULATED:
        base_url = checked_address(fields.base_url, str(team.pk))
        certificate = accept_at(base_url, accepted, str(team.pk), now)
    return connections.connect(
        team=team,
        actor=actor,
        name=fields.name,
        username=fields.username,
        environment=fields.environment,
        base_url=base_url,
        region=fields.region,
        certificate=certificate,
        consent=consent,
        now=now,
    )


def _check_fields(connection: Connection, fields: Fields) -> None:
    if connection.removed_at is not None:
        raise ConnectionRefused(REMOVED, "connection-removed")
    if not USERNAME.fullmatch(fields.username):
        raise ConnectionRefused(
            "An IBKR user name has letters, digits, dots, dashes and underscores only. Check it in Client Portal.",
            "invalid-username",
        )
    refuse_live_money_of_a_demo(connection.team, fields.environment)
    if fields.environment != connection.environment:
        raise ConnectionRefused(
            f"What money a connection moves is chosen once. Make a new connection for {fields.environment} money.",
            "environment-stays",
        )
    if fields.username.lower() != connection.username.lower() and (working := working_orders(connection)):
        raise ConnectionRefused(
            f"{_many(working, 'order')} of this user may still fill. Cancel them first: another user does not see them.",
            "orders-work",
        )


@transaction.atomic
def _save(
    connection: Connection,
    fields: Fields,
    base_url: str,
    certificate: Certificate | None,
    actor: User | None,
    now: datetime,
) -> None:
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    values: dict[str, object] = {"name": fields.name, "region": fields.region}
    changed = [name for name in ("name", "region") if getattr(locked, name) != values[name]]
    if fields.username != locked.username:
        changed.append("username")
        _refuse_taken(locked, fields)
        # Which accounts it has is asked anew; those that IBKR no longer shows under it are not read any more.
        values |= {"username": fields.username, "proved_at": None}
        BrokerageAccount.objects.filter(connection=locked).update(capabilities_as_of=None)
    if base_url != locked.base_url:
        changed.append("address")
        values |= {"base_url": base_url, **_trust(locked, base_url, certificate)}
    if not changed:
        return
    signs_in = set(changed) - {"name"}
    if signs_in:
        values |= {"wants_verify": True, "last_kept_at": None, "trial_asked_at": now}
    try:
        with transaction.atomic():
            Connection.objects.filter(pk=locked.pk).update(**values)
    except IntegrityError as error:
        raise ConnectionRefused(USERNAME_TAKEN, "username-taken") from error
    for name, value in values.items():
        setattr(connection, name, value)
    subject = f"{fields.username} ({', '.join(changed)})"
    audit.record(team=connection.team, actor=actor, action="connection.edited", subject=subject, now=now)
    if signs_in and connection.enabled:
        begin_again(connection, "It has just been changed; Halyard is signing in.", now)
    wake()


def _refuse_taken(connection: Connection, fields: Fields) -> None:
    same = connection.team.connections.filter(
        username__iexact=fields.username, environment=fields.environment, enabled=True
    )
    if same.exclude(pk=connection.pk).exists():
        raise ConnectionRefused(USERNAME_TAKEN, "username-taken")


def _trust(connection: Connection, base_url: str, certificate: Certificate | None) -> dict[str, object]:
    """What is believed of a new address, and what it is shown: another host is shown no secret of the one before."""
    secrets = {name: value for name, value in connection.secrets.open().items() if name != PIN}
    try:
        same = location(connection.base_url) == location(base_url)
    except AddressRefused:
        same = False
    secrets = secrets if same else {}
    return {"secrets": Sealed.of(secrets | pin_of(certificate)), "certificate": row_of(certificate)}


def look(connection: Connection, now: datetime) -> Certificate:
    """The certificate that the gateway shows now. Raises ConnectionRefused where it shows none."""
    if not connection.base_url.startswith("https://"):
        raise ConnectionRefused(f"{_OF_THE_GATEWAY} is of use over https only.", "plain-http")
    try:
        report = try_address(connection.base_url, str(connection.team_id), now)
    except AddressRefused as refusal:
        raise ConnectionRefused(str(refusal), refusal.code) from refusal
    if report.certificate is None:
        raise ConnectionRefused(_last_answer(report.steps), "no-certificate")
    return report.certificate


def _last_answer(steps: Sequence[Step]) -> str:
    answers = [step.answer for step in steps if step.outcome is Outcome.BAD]
    return answers[0] if answers else "Nobody answers at the gateway's address."


def accept(*, connection: Connection, sha256: str, actor: User | None, now: datetime) -> None:
    """From now on this certificate is the gateway's, and no other is. Raises ConnectionRefused when it shows another."""
    if connection.removed_at is not None:
        raise ConnectionRefused(REMOVED, "connection-removed")
    certificate = look(connection, now)
    if certificate.sha256 != _plain(sha256):
        raise ConnectionRefused(
            "The gateway shows yet another certificate now. Look at it again before you accept one.",
            "certificate-changed",
        )
    pin_to(connection=connection, certificate=certificate, actor=actor, now=now)


def _plain(accepted: str) -> str:
    """A fingerprint however it was written; one that is none is nobody's."""
    try:
        return fingerprint(accepted)
    except FingerprintRefused:
        return ""


@transaction.atomic
def pin_to(*, connection: Connection, certificate: Certificate, actor: User | None, now: datetime) -> None:
    """Keep a certificate that was looked at. One that an authority vouches for takes no pin."""
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    secrets = {name: value for name, value in locked.secrets.open().items() if name != PIN}
    values: dict[str, object] = {
        "secrets": Sealed.of(secrets | pin_of(certificate)),
        "certificate": row_of(certificate),
        "trial_asked_at": now,
    }
    Connection.objects.filter(pk=locked.pk).update(**values)
    for name, value in values.items():
        setattr(connection, name, value)
    subject = f"{connection.username[:40]} ({certificate.sha256})"
    audit.record(team=connection.team, actor=actor, action="connection.certificate_accepted", subject=subject, now=now)
    if connection.enabled:
        begin_again(connection, "The gateway's certificate was accepted; Halyard is signing in.", now)
    wake()


def begin_again(connection: Connection, reason: str, now: datetime) -> None:
    # As if it had just been switched on: its watch looks first, and no waiting order opens a session by itself.
    again = {**QUICK_AGAIN, "next_try_at": now}
    session_is(connection, SessionStatus.CONNECTING, reason, now=now, code="switched-on", columns=again)


@transaction.atomic
def remove(*, connection: Connection, actor: User | None, now: datetime) -> None:
    """Take a connection away: it is off for good, its secrets are forgotten, and its history stays. Refused while an order
    of it may still fill."""
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    if locked.removed_at is not None:
        raise ConnectionRefused(REMOVED, "connection-removed")
    if working := working_orders(locked):
        raise ConnectionRefused(
            f"{_many(working, 'order')} may still fill. Cancel them and wait until they are over, then remove the "
            "connection: without it Halyard hears of no fill.",
            "orders-work",
        )
    values: dict[str, object] = {
        "enabled": False,
        "removed_at": now,
        "secrets": Sealed(),
        "signing_keys": Sealed(),
        "trial_asked_at": None,
        "next_try_at": None,
    }
    Connection.objects.filter(pk=locked.pk).update(**values)
    tokens.forget(locked.pk)
    for name, value in values.items():
        setattr(connection, name, value)
    session_is(connection, SessionStatus.SIGNED_OUT, "This connection was removed.", now=now, code="connection-removed")
    audit.record(team=connection.team, actor=actor, action="connection.removed", subject=connection.username, now=now)
    wake()


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
