"""IBKR's rows of orders as facts, and why they are as they are. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypedDict

from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderStatus, OrderType
from brokers.ibkr import translate, words
from brokers.ibkr.cleaning import currency, name, one_line, text
from brokers.ibkr.contracts import combos
from brokers.ibkr.numbers import number, quantity, whole
from brokers.ibkr.texts.explained import MOST_OF_A_HOLD, About, explained
from brokers.ibkr.translate import Row

_OVER = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED})
# A status once more, and no reason for it.
_NO_REASON = re.compile(
    r"^(order )?(cancell?ed|filled|submitted|pre-?submitted|inactive|expired|pending ?\w*)\.?$", re.IGNORECASE
)
_REASONS = (
    "order_cancellation_by_system_reason",
    "text",
    "whyHeld",
    "why_held",
    "warning_message",
    "order_status_description",
)


def order_facts(row: Row, *, account_id: str = "") -> OrderFacts | None:
    """One order row of the list or of the stream; None when it names no order. Absent keys stay None."""
    broker_order_id = whole(row.get("orderId", row.get("order_id")))
    if broker_order_id is None:
        return None
    filled = quantity(row.get("filledQuantity"))
    remaining = quantity(row.get("remainingQuantity"))
    reason = reason_of(row)
    status = words.status(row.get("status"), filled=filled, remaining=remaining, text=reason)
    held = words.held_because(row.get("status"), reason)
    why = explained(reason, About.HOLD if held else About.END) if _tells_why(reason, status) else None
    parent = whole(row.get("parentId"))
    return OrderFacts(
        account_id=name(row.get("acct") or row.get("account"), 32) or account_id,
        broker_order_id=str(broker_order_id),
        reference=name(row.get("order_ref")) or None,
        parent_broker_order_id=str(parent) if parent else None,
        status=status,
        quantity=_total(row),
        filled_quantity=filled,
        remaining_quantity=remaining,
        average_price=number(row.get("avgPrice")),
        conid=_number(row),
        side=words.READ_SIDES.get(text(row.get("side"), 16).upper()),
        type=_type(row),
        text=why.in_full() if why else reason,
        code=why.code if why else "",
        words=reason,
        held=_held(held) if row.get("status") else None,
        **_contract(row),
        limit_price=_above_zero(row.get("price")),
        stop_price=_above_zero(row.get("auxPrice") or row.get("stop_price")),
        time_in_force=words.time_in_force(text(row.get("timeInForce"), 8)),
        described=one_line(row.get("orderDesc"), 120),
    )


def _number(row: Row) -> int | None:
    """The number of what the order is in; of a combo of two legs the one that it goes by here."""
    conid = whole(row.get("conid"))
    combo = combos.number_in(text(row.get("conidex"), 80)) if conid in {None, combos.SPREAD} else None
    return conid if combo is None else combo


class _Contract(TypedDict):
    ticker: str
    asset_class: str
    currency: str


def _contract(row: Row) -> _Contract:
    """What the order is in; nothing of it where the message does not say."""
    security_type, spelled = text(row.get("secType"), 8), text(row.get("ticker"), 80)
    return _Contract(
        ticker=translate.ticker(spelled, security_type) if spelled else "",
        asset_class=words.asset_class(security_type) if security_type else "",
        currency=currency(row["cashCcy"]) if row.get("cashCcy") else "",
    )


def _above_zero(value: object) -> Decimal | None:
    exact = number(value)
    return exact if exact is not None and exact > 0 else None


def _tells_why(reason: str, status: OrderStatus | None) -> bool:
    """Whether what is said about an order that is over is to be explained; an order that fails silently is too."""
    if reason:
        return status in _OVER and not _NO_REASON.match(reason)
    return status is OrderStatus.REJECTED


def _held(reason: str) -> str:
    return explained(reason, About.HOLD).in_full(MOST_OF_A_HOLD) if reason else ""


def reason_of(row: Row) -> str:
    """What IBKR says about why an order is as it is, in any of its fields."""
    return next((one_line(row[key]) for key in _REASONS if row.get(key) and row[key] != "-1"), "")


def _total(row: Row) -> Decimal | None:
    """All of the order, above zero: said outright, or behind the stroke of "40/100"."""
    total = row.get("totalSize", row.get("total_size"))
    if total is None:
        total = text(row.get("sizeAndFills"), 64).rpartition("/")[2]
    size = quantity(total)
    return size if size is not None and size > 0 else None


def _type(row: Row) -> OrderType | None:
    """What kind of order it is now, else what it was when it was placed."""
    spelled = text(row.get("orderType") or row.get("origOrderType"), 32)
    return words.READ_ORDER_TYPES.get(spelled.upper().replace(" ", "_"))
