"""A connection that signs its requests with keys of its own: what was pasted is checked at once, then kept sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import Team, User
from accounts.vault.fields import Sealed
from brokers.connections import changes, connections, tokens
from brokers.connections.connections import ConnectionRefused
from brokers.domain.live_money import NO_CONSENT, Consent
from brokers.domain.sessions import AuthMethod, Environment, Region
from brokers.ibkr.auth import keys
from brokers.ibkr.auth.trouble import KeyRefused
from brokers.models import Connection

# What a person fills in, by the name it is kept under.
PARTS = (
    keys.CONSUMER_KEY,
    keys.ACCESS_TOKEN,
    keys.TOKEN_SECRET,
    keys.SIGNATURE_KEY,
    keys.ENCRYPTION_KEY,
    keys.DH_PARAMETERS,
)


def connect(
    *,
    team: Team,
    actor: User | None,
    name: str,
    username: str,
    environment: Environment,
    region: Region,
    parts: Mapping[str, str],
    consent: Consent = NO_CONSENT,
    now: datetime,
) -> Connection:
    """Make a connection with these keys; ConnectionRefused names the part that cannot sign in, before IBKR is asked."""
    if environment is Environment.SIMULATED:
        raise ConnectionRefused("A simulated connection needs no keys. Choose paper or live.", "keys-not-needed")
    kept = {part: parts.get(part, "").strip() for part in PARTS}
    checked(kept)
    return connections.connect(
        team=team,
        actor=actor,
        name=name,
        username=username,
        environment=environment,
        region=region,
        signing_keys=Sealed.of(kept),
        consent=consent,
        now=now,
    )


@transaction.atomic
def replace(*, connection: Connection, parts: Mapping[str, str], actor: User | None, now: datetime) -> None:
    """Give a connection that signs other keys, or a new token; what is left out stays. ConnectionRefused names the part that
    cannot sign in."""
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    if locked.removed_at is not None:
        raise ConnectionRefused("This connection was removed; its history stays. Make a new one.", "connection-removed")
    if locked.auth_method != AuthMethod.OAUTH:
        raise ConnectionRefused("This connection signs with no keys of its own.", "keys-not-needed")
    before = locked.signing_keys.open()
    kept = {**before, **{part: text.strip() for part, text in parts.items() if text.strip()}}
    checked(kept)
    changed = sorted(part for part in PARTS if kept.get(part) != before.get(part))
    keep(connection, Sealed.of(kept), now)
    subject = f"{connection.username} ({', '.join(changed)})"
    audit.record(team=connection.team, actor=actor, action="connection.keys_replaced", subject=subject[:200], now=now)


def keep(connection: Connection, signing_keys: Sealed, now: datetime) -> None:
    """From now on the connection signs with these; whose accounts IBKR shows is read again. Only within a transaction."""
    values: dict[str, object] = {
        "signing_keys": signing_keys,
        "wants_verify": True,
        "last_kept_at": None,
        "trial_asked_at": now,
    }
    Connection.objects.filter(pk=connection.pk).update(**values)
    for name, value in values.items():
        setattr(connection, name, value)
    tokens.forget(connection.pk)
    if connection.enabled:
        changes.begin_again(connection, "Its keys have just been replaced; Halyard is signing in.", now)
    connections.wake()


def checked(parts: Mapping[str, str]) -> None:
    """Raise ConnectionRefused for the part that cannot sign in, before IBKR is asked."""
    try:
        keys.consumer_of(parts)
    except KeyRefused as problem:
        raise ConnectionRefused(str(problem), problem.code) from problem


def part_of(code: str) -> str | None:
    """The part that a refusal is about."""
    starts = {
        "consumer-key": keys.CONSUMER_KEY,
        "access-token": keys.ACCESS_TOKEN,
        "secret-": keys.TOKEN_SECRET,
        "signature-key": keys.SIGNATURE_KEY,
        "encryption-key": keys.ENCRYPTION_KEY,
        "prime-": keys.DH_PARAMETERS,
    }
    return next((part for start, part in starts.items() if code.startswith(start)), None)
