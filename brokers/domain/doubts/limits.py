"""How long an order may be without IBKR's word before it is looked for, and before a person is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from brokers.domain.orders import OrderStatus

# A person's matter since it could not be looked for, or since looking has not found it.
TOO_LONG = "looked-for-too-long"
CANCEL_NOT_TOLD = "cancel-not-told"
# It works although IBKR was asked to cancel it, and nobody asks again by itself: a person does.
NOT_CANCELED, STILL_WORKING = "not-canceled", "still-working"
# Of an order whose date is over IBKR is asked again for a cancel that it refused: in an open market, where the order may fill
# until the close, so soon and so often, and then once each time its market opens, so many times in all.
ASK_SOON, MOST_SOON = timedelta(minutes=5), 2
MOST_REFUSALS = 5 + MOST_SOON
# How the reason of such an order begins.
WORKS_ON = "Not canceled: "
# With what IBKR says in so many words, which has a code of its own.
DOES_NOT_CANCEL = (NOT_CANCELED, STILL_WORKING, "order-not-canceled")
# After hours IBKR's list of orders may be empty although orders work: of those older than this one list says nothing.
EMPTY_SAYS_NOTHING_AFTER = timedelta(minutes=30)


def is_old(acknowledged_at: datetime | None, now: datetime) -> bool:
    """Whether an empty list says nothing, by itself, of an order that IBKR acknowledged then."""
    return acknowledged_at is not None and acknowledged_at < now - EMPTY_SAYS_NOTHING_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`empty`: so long IBKR's list of orders may be empty in an open market while an order is to be in it.

    `longest`: so long an order may be on its way, looked for, or being canceled, whether IBKR can be asked or not.
    `closure`: no market is closed longer, so that by then its hours, known or not, explain nothing.
    """

    empty: timedelta = timedelta(minutes=15)
    longest: timedelta = timedelta(hours=24)
    closure: timedelta = timedelta(days=10)


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Since when IBKR has been silent about an order of this status.

    `is_open`: whether its market is open now and was `Limits.empty` ago; None: nobody says when it is.
    """

    status: OrderStatus
    since: datetime
    is_open: bool | None


def counts_as_missing(silence: Silence, now: datetime, limits: Limits) -> bool:
    """Whether a list of orders that has been empty so long, as it may be after hours, is to be explained.

    Where nobody knows the hours of its market, an order that works is left alone; one that IBKR took the cancel of is not.
    """
    lasted = now - silence.since
    if lasted < limits.empty:
        return False
    if silence.is_open is None:
        return silence.status is OrderStatus.PENDING_CANCEL or lasted >= limits.closure
    return silence.is_open or lasted >= limits.closure


def becomes(silence: Silence, now: datetime, limits: Limits) -> OrderStatus | None:
    """The status that the clock alone gives an order, whether IBKR can be asked or not; None: it keeps its own.

    IBKR confirms a cancel when the market opens: until then there is nothing to be told.
    """
    lasted = now - silence.since
    if lasted < limits.longest:
        return None
    if silence.status is OrderStatus.PENDING_CANCEL:
        waits = silence.is_open is False and lasted < limits.closure
        return None if waits else OrderStatus.UNKNOWN
    return OrderStatus.NEEDS_ATTENTION if silence.status in {OrderStatus.SUBMITTED, OrderStatus.UNKNOWN} else None
