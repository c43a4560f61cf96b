"""What the owners of a connection are told, and when: by values and the moment alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from brokers.domain.session.resets import Night

LOOK_BEFORE = timedelta(minutes=30)
# A session that is lost while its market is open often comes back by itself.
GRACE = timedelta(minutes=10)
# When it is said again, from the first time on, and how often after the last of these.
_AGAIN = (timedelta(0), timedelta(minutes=30), timedelta(hours=2))
_EVERY = timedelta(hours=4)
# IBKR's logins end for the week at this hour; who is signed in then has to sign in anew.
_WEEK_TURNS = (6, time(1), ZoneInfo("America/New_York"))
_NOT_BEFORE = timedelta(hours=8)
_A_DAY = timedelta(days=1)


class NoticeKind(StrEnum):
    NOT_READY = "not-ready"
    WEEKLY_SIGN_IN = "weekly-sign-in"
    READY_AGAIN = "ready-again"
    CERTIFICATE_CHANGED = "certificate-changed"
    MISSING_STOP = "missing-stop"
    PROMPT_LEFT = "prompt-left"
    NOT_CANCELED = "not-canceled"
    NOT_MOVED = "not-moved"
    PART_REFUSED = "part-refused"


# A connection that will miss its market is for nobody to overlook, nor is one before which something may stand.
MAY_BE_SILENT = (NoticeKind.WEEKLY_SIGN_IN, NoticeKind.READY_AGAIN)


class NoticeChannel(StrEnum):
    EMAIL = "email"


class DispatchStatus(StrEnum):
    """What became of a notice for one person: `lost` may have arrived or not, and is never sent again."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    LOST = "lost"
    NO_ADDRESS = "no_address"


@dataclass(frozen=True, slots=True)
class Hours:
    """One session of a market, from its open to its close."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A connection as it stands: whether it can trade and since when, and when somebody last signed in for it.

    `certificate` is the fingerprint of what its gateway shows in place of the accepted one, "" where it shows that one.
    `hours` is the session of its markets that is open or comes next, and `week` the first one after the week has turned;
    None where no calendar knows one. `night` is IBKR's restart of now, and `back_at` the end of the last one.
    """

    can_trade: bool
    since: datetime
    by_person: bool
    signed_in_at: datetime | None
    certificate: str
    hours: Hours | None
    week: Hours | None
    night: Night | None
    back_at: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is due; its event is told once, whoever looks and however often."""

    kind: NoticeKind
    event: str
    opens_at: datetime


def due(connection: Standing, now: datetime) -> list[Due]:
    """What is to be told now. What was missed while nobody looked is not made up for."""
    notices = (_not_ready(connection, now), _weekly(connection, now), _certificate(connection, now))
    return [each for each in notices if each is not None]


def _not_ready(connection: Standing, now: datetime) -> Due | None:
    hours = connection.hours
    if connection.can_trade or connection.night is not None or hours is None:
        return None
    begins = hours.opens - LOOK_BEFORE
    for moment in (connection.since, connection.back_at):
        if moment is not None and moment + GRACE > begins:
            begins = moment + GRACE
    if not begins <= now < hours.closes:
        return None
    event = f"{NoticeKind.NOT_READY}:{hours.opens:%Y%m%dT%H%MZ}:{_times(now - begins)}"
    return Due(NoticeKind.NOT_READY, event, hours.opens)


def _times(waited: timedelta) -> int:
    """How often it is to have been said before."""
    if waited < _AGAIN[-1]:
        return sum(waited >= each for each in _AGAIN) - 1
    return len(_AGAIN) - 1 + (waited - _AGAIN[-1]) // _EVERY


def _weekly(connection: Standing, now: datetime) -> Due | None:
    if not connection.by_person or connection.week is None:
        return None
    turned = week_turned(now)
    signed_in_at = connection.signed_in_at or (connection.since if connection.can_trade else None)
    if signed_in_at is not None and signed_in_at >= turned:
        return None
    opens = connection.week.opens
    if not max(turned + _NOT_BEFORE, opens - _A_DAY) <= now < opens:
        return None
    return Due(NoticeKind.WEEKLY_SIGN_IN, f"{NoticeKind.WEEKLY_SIGN_IN}:{turned:%Y%m%d}", opens)


def _certificate(connection: Standing, now: datetime) -> Due | None:
    """Told at once and at any hour: something may stand between, whether or not a market is open."""
    if not connection.certificate:
        return None
    event = f"{NoticeKind.CERTIFICATE_CHANGED}:{connection.certificate[:32]}:{connection.since:%Y%m%dT%H%MZ}"
    return Due(NoticeKind.CERTIFICATE_CHANGED, event, connection.hours.opens if connection.hours else now)


def week_turned(now: datetime) -> datetime:
    """When IBKR's logins last ended for a week."""
    weekday, at, zone = _WEEK_TURNS
    local = now.astimezone(zone)
    day = local.date() - timedelta(days=(local.weekday() - weekday) % 7)
    turned = datetime.combine(day, at, zone).astimezone(now.tzinfo)
    return turned if turned <= now else datetime.combine(day - timedelta(days=7), at, zone).astimezone(now.tzinfo)


def first_of(sessions: Iterable[Hours | None]) -> Hours | None:
    """The session that opens first."""
    return min(
        (each for each in sessions if each is not None), key=lambda each: (each.opens, each.closes), default=None
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice in words: what happened, and what to do next."""

    subject: str
    sentences: Sequence[str]


def in_words(kind: NoticeKind, name: str, *, why: str, opens: str, has_opened: bool) -> Letter:
    """A notice about a connection. `opens` is the moment as its reader's clock shows it."""
    match kind:
        case NoticeKind.NOT_READY:
            market = f"Its market has been open since {opens}." if has_opened else f"Its market opens at {opens}."
            return Letter(f"{name} cannot trade", [why or "Nobody knows its session yet.", market])
        case NoticeKind.WEEKLY_SIGN_IN:
            what = "IBKR ends every login once a week, so somebody has to sign in again, with the second factor."
            return Letter(
                f"Sign in for {name} before its market opens",
                [what, f"Sign in at the gateway's page before {opens}; Halyard continues by itself."],
            )
        case NoticeKind.CERTIFICATE_CHANGED:
            return Letter(
                f"The gateway of {name} shows another certificate", [why, "Until then no order leaves by it."]
            )
        case NoticeKind.MISSING_STOP:
            return Letter(f"A stop is missing at {name}", [why])
        case NoticeKind.PROMPT_LEFT:
            return Letter(f"IBKR asks about an order of {name}, and Halyard did not answer", [why])
        case NoticeKind.NOT_CANCELED:
            return Letter(f"An order of {name} works on past the date it was good till", [why])
        case NoticeKind.NOT_MOVED:
            return Letter(f"A stop or a target at {name} was not changed", [why])
        case NoticeKind.PART_REFUSED:
            return Letter(f"A part of an entry at {name} does not work", [why])
        case NoticeKind.READY_AGAIN:
            return Letter(f"{name} can trade again", ["Its session at IBKR is open. Nothing is to be done."])
