"""IBKR's nights as the operator set them: for which regions nothing may leave now."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from django.conf import settings

from brokers.domain.session.resets import Night, Resets, read, region_of_place
from brokers.domain.sessions import AuthMethod, Environment, Region, SignIn
from brokers.models import Connection


def resets() -> Resets:
    """The windows of this installation."""
    return _resets(tuple(settings.RESET_WINDOWS), settings.RESET_GATE_SECONDS)


@cache
def _resets(written: tuple[str, ...], gate_seconds: int) -> Resets:
    return read(written, timedelta(seconds=gate_seconds))


def region_of(connection: Connection) -> Region:
    """Where IBKR serves the connection: as IBKR says, else as a person chose."""
    return Region(connection.region_seen or connection.region)


def windows_of(connection: Connection) -> list[str]:
    """When IBKR restarts for the connection, by the clock of its place: "23:45 to 01:45 in New York"."""
    return [str(window) for window in resets().nightly[region_of(connection)]]


def night_of(connection: Connection, now: datetime) -> Night | None:
    """The night for which nothing leaves by the connection now; the operator's own simulated market has none."""
    if connection.environment == Environment.SIMULATED:
        return None
    return resets().closed_at(now, region_of(connection))


def closed_regions(now: datetime) -> tuple[list[str], list[str]]:
    """The regions for which nothing leaves now, and those of them whose ways out wait as well."""
    nights = {region: night for region in Region if (night := resets().closed_at(now, region)) is not None}
    ways_out = [region for region, night in nights.items() if night.is_away(now) or not settings.EXITS_BEFORE_RESETS]
    return [str(region) for region in nights], [str(region) for region in ways_out]


def proved_since(connection: Connection, now: datetime) -> bool:
    """Whether the session was looked at since IBKR was last away; what was seen before a night proves nothing after it."""
    back = back_at(connection, now)
    return back is None or (connection.session_seen_at is not None and connection.session_seen_at >= back)


def night_around(connection: Connection, at: datetime, patience: timedelta) -> Night | None:
    """The night that a signal of `at` came into, or that began while it still waited with this patience."""
    if connection.environment == Environment.SIMULATED:
        return None
    every = resets().nights(region_of(connection), at + patience)
    return next((night for night in every if night.closes <= at + patience and at < night.ends), None)


def sign_in_seen(connection_pk: int, seen: SignIn) -> None:
    """Write down where IBKR serves the connection's user, and when somebody last signed in, as far as it says so."""
    region = region_of_place(seen.place)
    facts: dict[str, object] = {} if region is None else {"region_seen": region}
    if seen.signed_in_at is not None:
        facts["signed_in_at"] = seen.signed_in_at
    if facts:
        Connection.objects.filter(pk=connection_pk).update(**facts)


def back_at(connection: Connection, now: datetime) -> datetime | None:
    """When IBKR last came back from a night; what was known of orders before that is read again."""
    if connection.environment == Environment.SIMULATED:
        return None
    return resets().last_end(now, region_of(connection))


def signs_in_by_hand(connection: Connection) -> bool:
    """Whether a person signs in for the connection, at a gateway's page; keys sign in by themselves."""
    return connection.auth_method == AuthMethod.GATEWAY
