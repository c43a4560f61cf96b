"""Connections: make one, find its accounts, switch it on and off."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import Team, User
from accounts.refusals import Refusal
from accounts.vault.fields import Sealed
from brokers.connections import states
from brokers.connections.reach import check_address
from brokers.connections.user_accounts import ACCOUNT_NOT_SHOWN, USERNAME_TAKEN
from brokers.domain.addresses import AddressRefused, completed
from brokers.domain.certificates import Certificate
from brokers.domain.doubts.verdicts import Resend
from brokers.domain.live_money import NO_CONSENT, Consent, LiveMoneyRefused, account_number, require
from brokers.domain.session.words import WORDS
from brokers.domain.sessions import AuthMethod, Environment, Login, Region, SessionStatus
from brokers.models import Connection
from brokers.postgres.notices import CONNECTIONS_CHANNEL, notify

# The fingerprint of the one certificate that is believed, among a connection's secrets.
PIN = "certificate_sha256"
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


# A person acted: looks come quickly again, and every way to open the session is tried anew.
QUICK_AGAIN: Mapping[str, object] = {"session_tries": 0, "session_opens": 0, "next_try_at": None}


class ConnectionRefused(Refusal):
    """The connection cannot be made."""


def connect(
    *,
    team: Team,
    actor: User | None,
    name: str,
    username: str,
    environment: Environment,
    base_url: str = "",
    region: Region = Region.NORTH_AMERICA,
    signing_keys: Sealed | None = None,
    auth_method: AuthMethod = AuthMethod.OAUTH,
    consent: Consent = NO_CONSENT,
    certificate: Certificate | None = None,
    now: datetime,
) -> Connection:
    """Make a connection. The stream process finds its accounts in the background.

    One with signing keys goes to IBKR itself, by the `auth_method` of the keys; any other through its user's gateway.

    One to real money takes a consent with the number of an account, which IBKR must then show under this user.
    """
    if environment is Environment.SIMULATED:
        if not settings.SIMULATOR:
            raise ConnectionRefused(
                "This installation has no simulated broker. Connect a paper account.", "no-simulator"
            )
        username = username or f"sim-{secrets.token_hex(5)}"
        base_url = ""
    refuse_live_money_of_a_demo(team, environment)
    if not USERNAME.fullmatch(username):
        raise ConnectionRefused(
            "An IBKR user name has letters, digits, dots, dashes and underscores only. Check it in Client Portal.",
            "invalid-username",
        )
    if signing_keys:
        base_url = ""
    elif environment is not Environment.SIMULATED:
        base_url = completed(base_url)
        # Before any transaction: a name server may take its time.
        try:
            check_address(base_url, str(team.pk))
        except AddressRefused as refusal:
            raise ConnectionRefused(str(refusal), refusal.code) from refusal
    live_account = _opted_into(consent, []) if environment is Environment.LIVE else ""
    columns: dict[str, object] = {"base_url": base_url, "name": name, "region": region, "live_account": live_account}
    columns |= {"secrets": Sealed.of(pin_of(certificate)), "certificate": row_of(certificate)}
    if signing_keys:
        columns |= {"auth_method": auth_method, "signing_keys": signing_keys}
    return _made(team, actor, username, environment, columns, now)


def pin_of(certificate: Certificate | None) -> dict[str, str]:
    """What is kept of an accepted certificate among the secrets: nothing where an authority vouches for it."""
    return {PIN: certificate.sha256} if certificate is not None and not certificate.is_public else {}


def row_of(certificate: Certificate | None) -> dict[str, str] | None:
    """What is kept of it to be shown."""
    return certificate.as_json() if certificate is not None else None


@transaction.atomic
def _made(
    team: Team,
    actor: User | None,
    username: str,
    environment: Environment,
    columns: dict[str, object],
    now: datetime,
) -> Connection:
    if team.connections.filter(username__iexact=username, environment=environment, enabled=True).exists():
        raise ConnectionRefused(USERNAME_TAKEN, "username-taken")
    try:
        with transaction.atomic():
            connection = Connection.objects.create(
                team=team,
                username=username,
                environment=environment,
                # Where no money moves, what a resend does can be watched.
                resends=Resend.ALL if environment is Environment.SIMULATED else Resend.LIMIT,
                session_changed_at=now,
                created_at=now,
                # The page of a new connection shows step by step what its way to IBKR proves.
                trial_asked_at=now,
                **columns,
            )
    except IntegrityError as error:
        # Which team holds it stays unsaid: tenants never learn of each other.
        raise ConnectionRefused(USERNAME_TAKEN, "username-taken") from error
    after = {"live_account": connection.live_account} if connection.live_account else None
    subject = f"{username} ({environment})"
    audit.record(team=team, actor=actor, action="connection.made", subject=subject, after=after, now=now)
    wake()
    return connection


def refuse_live_money_of_a_demo(team: Team, environment: str) -> None:
    """Raise where a team whose sign-in everybody knows would trade real money."""
    if environment == Environment.LIVE and team.is_demo:
        raise ConnectionRefused(
            "This is the demo's team, whose sign-in is printed on a terminal, so it trades no real money. Make a team of "
            "your own under an account of your own, and connect it there.",
            "demo-team",
        )


def _opted_into(consent: Consent, accounts: Sequence[str]) -> str:
    """The account number that was typed to opt into real money; raise ConnectionRefused where something is missing."""
    try:
        require(consent, accounts, every=False)
    except LiveMoneyRefused as refused:
        raise ConnectionRefused(str(refused), refused.code) from refused
    typed = [account_number(each) for each in consent.typed]
    return next((number for number in typed if number in accounts), typed[0])


@transaction.atomic
def disable(*, connection: Connection, actor: User | None, now: datetime) -> None:
    """Stop using the connection. Waiting orders stay waiting until they expire; nothing new is sent.

    A consent to real money ends with it.
    """
    Connection.objects.filter(pk=connection.pk).update(enabled=False, live_account="")
    connection.enabled, connection.live_account = False, ""
    states.session_is(
        connection,
        SessionStatus.SIGNED_OUT,
        WORDS["switched-off"].reason,
        now=now,
        code="switched-off",
        columns={**QUICK_AGAIN, "left_until": None},
    )
    audit.record(team=connection.team, actor=actor, action="connection.disabled", subject=connection.username, now=now)
    wake()


@transaction.atomic
def enable(*, connection: Connection, actor: User | None, consent: Consent = NO_CONSENT, now: datetime) -> None:
    """Use the connection again; one to real money takes a consent with the number of one of its accounts."""
    if connection.removed_at is not None:
        raise ConnectionRefused("This connection was removed; its history stays. Make a new one.", "connection-removed")
    refuse_live_money_of_a_demo(connection.team, connection.environment)
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    live_account = row.live_account
    if wants_consent(row):
        live_account = _opted_into(consent, numbers_to_type(row))
    try:
        with transaction.atomic():
            Connection.objects.filter(pk=connection.pk, removed_at=None).update(
                enabled=True, wants_verify=True, live_account=live_account
            )
    except IntegrityError as error:
        raise ConnectionRefused(
            "Another connection of your team has this IBKR user meanwhile. Switch that one off first.", "username-taken"
        ) from error
    connection.enabled, connection.live_account = True, live_account
    states.session_is(
        connection,
        SessionStatus.CONNECTING,
        WORDS["switched-on"].reason,
        now=now,
        code="switched-on",
        columns=QUICK_AGAIN,
    )
    audit.record(
        team=connection.team,
        actor=actor,
        action="connection.enabled",
        subject=connection.username,
        after={"live_account": live_account} if live_account else None,
        now=now,
    )
    wake()


def wants_consent(connection: Connection) -> bool:
    """Whether real money is off, or on for no account that IBKR shows: somebody has to type the number of one."""
    if connection.environment != Environment.LIVE:
        return False
    return not connection.enabled or not connection.live_account or connection.session_code == ACCOUNT_NOT_SHOWN


def numbers_to_type(connection: Connection) -> list[str]:
    """The accounts of which somebody types the number; empty where IBKR has yet to show them, or shows others now."""
    if connection.session_code == ACCOUNT_NOT_SHOWN:
        return []
    return list(connection.accounts.order_by("account_id").values_list("account_id", flat=True))


@transaction.atomic
def confirm_exits(*, connection: Connection, confirms: bool, actor: User | None, now: datetime) -> None:
    """Let IBKR's questions about the size and the price of exits, stops and targets be answered with yes, or no more."""
    if connection.confirms_exits == confirms:
        return
    Connection.objects.filter(pk=connection.pk).update(confirms_exits=confirms)
    connection.confirms_exits = confirms
    action = "connection.confirms_exits" if confirms else "connection.declines_exits"
    audit.record(team=connection.team, actor=actor, action=action, subject=connection.username, now=now)


@transaction.atomic
def verify(*, connection: Connection, actor: User | None, now: datetime) -> None:
    """Ask for the accounts and the session again; the answer arrives on the page."""
    asked: dict[str, Any] = {"wants_verify": True, "last_kept_at": None, **QUICK_AGAIN, "next_try_at": now}
    Connection.objects.filter(pk=connection.pk).update(**asked, trial_asked_at=now)
    wake()


def wake() -> None:
    """Tell the stream process, after commit, that connections have changed. A lost notice costs seconds."""
    notify(CONNECTIONS_CHANNEL)


# What speaks for a connection depends on: its user, its gateway's address, its money, its region, its secrets.
Identity = tuple[str, str, str, str, Sealed, Sealed]


def teams_of(connection_pks: Sequence[int]) -> dict[int, int]:
    """The team of each connection, by their keys."""
    return dict(Connection.objects.filter(pk__in=connection_pks).values_list("pk", "team_id"))


def identity_of(connection: Connection) -> Identity:
    """What a lane or a watch was opened with: once one of these changes, it opens its way to the broker anew."""
    row = connection
    return row.username, row.base_url, str(row.environment), str(row.region), row.secrets, row.signing_keys or Sealed()


def login_of(connection: Connection) -> Login:
    """The value that signs in as this connection's user."""
    method = AuthMethod(connection.auth_method)
    its_own = settings.IBKR_API_URL if method.signs else f"{settings.GATEWAY_URL}/u/{connection.username}/v1/api"
    return Login(
        username=connection.username,
        environment=Environment(connection.environment),
        auth_method=method,
        base_url=connection.base_url or its_own,
        region=Region(connection.region),
        secrets={**connection.secrets.open(), **(_keys_of(connection, method) if method.signs else {})},
        tenant=str(connection.team_id),
        connection=connection.pk,
    )


def _keys_of(connection: Connection, method: AuthMethod) -> dict[str, str]:
    """What a connection signs with: all of it its own, or an access token beside the operator's keys."""
    own = connection.signing_keys.open()
    return {**settings.IBKR_CONSUMER, **own} if method is AuthMethod.OPERATOR else own
