"""How an order of a quantity would be divided among the accounts of a subscription's group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.http import QueryDict

from strategies.deciding.advisors import groups
from strategies.deciding.advisors.groups import Cast
from strategies.domain.plan.plan import Rejection, Share
from strategies.domain.plan.shares import Size, shares_of
from strategies.models import Subscription

USUAL = Decimal(100)
_MOST = Decimal(10) ** 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Who would get how many of `quantity`; `refusal` with its code where nothing would be sent."""

    cast: Cast
    method: str
    quantity: Decimal
    shares: tuple[Share, ...] = ()
    refusal: str = ""
    code: str = ""


def division_of(subscription: Subscription, sent: QueryDict, now: datetime) -> Division | None:
    """The division of the quantity in `divide`, a hundred without one; None for a subscription of one account."""
    cast = groups.load([subscription], now, ask=False).get(subscription.group_id or 0)
    if cast is None:
        return None
    quantity, seen = _quantity(sent.get("divide", "")), groups.at_rest(cast)
    answer = shares_of(seen, Size(quantity=quantity, ticker="units"))
    if isinstance(answer, Rejection):
        return Division(cast=cast, method=seen.method.label, quantity=quantity, refusal=answer.reason, code=answer.code)
    return Division(cast=cast, method=seen.method.label, quantity=quantity, shares=answer)


def _quantity(text: str) -> Decimal:
    try:
        quantity = Decimal(text[:20].replace(",", ""))
    except InvalidOperation:
        return USUAL
    return quantity if quantity.is_finite() and 0 < quantity < _MOST else USUAL
