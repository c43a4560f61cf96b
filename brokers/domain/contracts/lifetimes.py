"""Until when an order works, and whether that may be changed: Halyard keeps the end of an order itself (decision 0153)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from brokers.domain.orders import OVER, Lifetime, OrderStatus, OrderType, Role, TimeInForce

# IBKR takes what is good till canceled back at the end of the quarter after the one it was placed in, which is this far
# away at the least: a later date would be a promise that IBKR does not keep.
MOST_DAYS = 90
# Both of them are good till canceled at IBKR.
ENDED_BY_US = frozenset({TimeInForce.GTC, TimeInForce.GTD})
PASSED, TOO_FAR = "good-till-date-passed", "good-till-date-too-far"
_LEGS = frozenset({Role.STOP_LOSS, Role.TAKE_PROFIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What of an order says whether its end may be another. `placed_at`: when it left, None where it has not."""

    role: Role
    type: OrderType
    status: OrderStatus
    time_in_force: TimeInForce
    placed_at: datetime | None = None


def moment_in_utc(at: datetime) -> str:
    """A moment in a sentence: "2026-12-04 21:00 UTC", with its seconds where it has some."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at.second else f"{at:%Y-%m-%d %H:%M} UTC"


def in_words(lifetime: Lifetime) -> str:
    """ "good till 2026-12-04 21:00 UTC", or "good till canceled"."""
    return "good till canceled" if lifetime.good_till is None else f"good till {moment_in_utc(lifetime.good_till)}"


def has_an_end_to_move(order: Worked) -> bool:
    """Whether such an order may have another end at all, whatever it is."""
    is_over = order.status in OVER | {OrderStatus.PENDING_CANCEL}
    return _never(order) is None and not is_over


def why_kept(order: Worked, wanted: Lifetime, now: datetime) -> tuple[str, str] | None:
    """Why an order's end stays as it is, as a code and a sentence; None where it may be `wanted`."""
    if (why := _never(order)) is not None:
        return "cannot-be-changed", why
    if order.status is OrderStatus.PENDING_CANCEL:
        return being_canceled()
    if order.status in OVER:
        words = str(order.status).replace("_", " ")
        return "order-over", f"The order is {words}, so it has no end to move."
    if wanted.good_till is None:
        return None
    if order.type is OrderType.MARKET and order.time_in_force is not TimeInForce.GTD:
        return "cannot-be-changed", "A market order fills at once, and takes no date. Leave it, or cancel it."
    return _date_refused(order, wanted.good_till, now)


def being_canceled() -> tuple[str, str]:
    """Why the end of an order whose cancel is under way stays."""
    reason = "The order is being canceled, so its end is not moved. Send a new order where it is wanted after all."
    return "being-canceled", reason


def _never(order: Worked) -> str | None:
    """Why orders like this one have no end that could be moved."""
    if order.role in _LEGS:
        what = "stop" if order.role is Role.STOP_LOSS else "target"
        return f"A {what} works until it is canceled: a date ends an attempt to enter or to exit. Cancel it where it is not wanted."
    if order.time_in_force not in ENDED_BY_US:
        words = str(order.time_in_force).upper()
        return (
            f"IBKR keeps the time in force of an order that works, and ends one that is {words} itself. Cancel the order and "
            "send a new one with goodTillDate."
        )
    return None


def _date_refused(order: Worked, at: datetime, now: datetime) -> tuple[str, str] | None:
    if at <= now:
        return PASSED, (
            f"The order was to be good till {moment_in_utc(at)}, which has passed. Give a later moment, or cancel the order."
        )
    placed_at = order.placed_at or now
    if at > placed_at + timedelta(days=MOST_DAYS):
        last = moment_in_utc(placed_at + timedelta(days=MOST_DAYS))
        return TOO_FAR, (
            f"The order would be good till {moment_in_utc(at)}, more than {MOST_DAYS} days after it was placed, and IBKR may end "
            f"it before. Give a moment until {last}, or let it work till it is canceled."
        )
    return None
