"""A margin that is a figure of its own, as a future's is, by the best figure there is: IBKR's preview, the exchange's as published, or nobody's.

Only a figure of today refuses an order. Any other is shown with its date, and IBKR decides when the order arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from brokers.domain.snapshot import MarginPreview
from brokers.rulebook.errors import MissingMarginData
from brokers.rulebook.margin.futures import MarginRow, is_current, margin_rows, row_on
from strategies.domain.plan.estimate import MarginSource

PREVIEW_IS_FRESH = timedelta(minutes=5)
# Money may come in at any moment: a refusal is asked about again.
REFUSAL_IS_FRESH = timedelta(seconds=10)
# What IBKR asked some days ago is nearer to the truth than what an exchange published years ago.
PREVIEW_INFORMS = timedelta(days=7)
_IBKR_DECIDES = "so IBKR decides when the order arrives."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An entry as its margin is asked for: signed contracts of a product, and what the broker said of such orders.

    `fee` is in the account's currency; `rate` turns the contract's currency into it, None where that is not known.
    `usual` is what the order needs at the usual rate of its class, with the fee in it; None where there is none.
    `premium` is what is paid for an option that is bought, with the fee in it; None where that is not known.
    """

    product: str
    quantity: Decimal
    previews: tuple[MarginPreview, ...]
    fee: Decimal
    rate: Decimal | None
    now: datetime
    usual: Decimal | None = None
    premium: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What an order needs, with the fee in it; None where nobody says. `note`: that IBKR decides, and why.

    `refused`: IBKR's preview would not take an order of this size, for want of money.
    """

    required: Decimal | None
    source: MarginSource
    note: str = ""
    refused: bool = False


def margin_of(order: Order) -> Margin:
    """The margin of an entry, and whether it may be refused by it (`source.is_certain`)."""
    preview, row = _preview_of(order), _published(order.product, order.now.date())
    fresh = preview is not None and _is_fresh(preview, order.now)
    if preview is not None and fresh and (preview.initial is not None or _refuses(preview, order)):
        return Margin(
            required=_scaled(preview, order),
            source=MarginSource.PREVIEW,
            note=_objection(preview),
            refused=_refuses(preview, order),
        )
    objection = _objection(preview) if preview is not None and fresh else ""
    if order.premium is not None:
        return Margin(required=order.premium, source=MarginSource.RULE, note=objection)
    if row is not None and order.rate is not None and is_current(row, order.now.date()):
        return Margin(required=_by_row(row, order), source=MarginSource.TABLE)
    return _uncertain(order, preview, row, objection)


def _uncertain(order: Order, preview: MarginPreview | None, row: MarginRow | None, objection: str) -> Margin:
    """A figure that is shown and refuses nothing."""
    if preview is not None and preview.initial is not None and order.now - preview.as_of <= PREVIEW_INFORMS:
        note = f"The margin is IBKR's of {preview.as_of:%Y-%m-%d %H:%M} UTC, {_IBKR_DECIDES}"
        return Margin(required=_scaled(preview, order), source=MarginSource.OLD_PREVIEW, note=objection or note)
    if row is None and order.usual is not None:
        note = f"At the usual margin of its class it needs more than is available, {_IBKR_DECIDES}"
        return Margin(required=order.usual, source=MarginSource.USUAL, note=objection or note)
    if row is None or order.rate is None:
        note = f"No margin of {order.product} is on record here, {_IBKR_DECIDES}"
        return Margin(required=None, source=MarginSource.NOBODY, note=objection or note)
    note = (
        f"The margin of {order.product} is the exchange's figure of {row.since:%Y-%m-%d}, too old to refuse by, "
        f"{_IBKR_DECIDES}"
    )
    return Margin(required=_by_row(row, order), source=MarginSource.OLD_TABLE, note=objection or note)


def _preview_of(order: Order) -> MarginPreview | None:
    """The preview of an order on this side; one that made a position smaller tells nothing of an entry."""
    preview = next((each for each in order.previews if each.side.sign * order.quantity > 0), None)
    return None if preview is None or (preview.initial is not None and preview.initial <= 0) else preview


def _is_fresh(preview: MarginPreview, now: datetime) -> bool:
    return now - preview.as_of <= (REFUSAL_IS_FRESH if preview.refusal else PREVIEW_IS_FRESH)


def _refuses(preview: MarginPreview, order: Order) -> bool:
    return preview.short and abs(order.quantity) >= preview.quantity


def _scaled(preview: MarginPreview, order: Order) -> Decimal | None:
    """The previewed margin for as many contracts as are ordered."""
    return None if preview.initial is None else preview.initial * abs(order.quantity) / preview.quantity + order.fee


def _by_row(row: MarginRow, order: Order) -> Decimal:
    return abs(order.quantity) * row.initial * (order.rate or Decimal(1)) + order.fee


def _objection(preview: MarginPreview) -> str:
    """A refusal that is not about money: it may concern the preview alone, so the order is tried."""
    if not preview.refusal or preview.short:
        return ""
    return f'IBKR\'s preview says "{preview.refusal.rstrip(".")}", {_IBKR_DECIDES}'


def _published(product: str, day: date) -> MarginRow | None:
    try:
        return row_on(margin_rows(product), day)
    except MissingMarginData:
        return None
