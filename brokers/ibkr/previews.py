"""IBKR's preview of an order, in our words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import Leg
from brokers.domain.orders import AssetClass
from brokers.domain.whatif.figures import Commission, Figure, OrderPreview
from brokers.ibkr.cleaning import mapping, one_line
from brokers.ibkr.numbers import number
from brokers.ibkr.outcomes import error_text

# What IBKR says about an order that the account has too little money for.
_SHORT = re.compile(
    r"equity must exceed|equity with loan|initial margin|margin requirement|available funds|excess liquidity"
    r"|buying power|settled cash|(insufficient|not enough|too little|exceeds?) .{0,40}(margin|funds|cash|equity)",
    re.IGNORECASE,
)
# More than any account has: no figure of IBKR's.
_MOST = Decimal(10) ** 15
# "1,977.60 USD (10 Shares)"
_SIZE = re.compile(r"\(\s*([0-9][0-9,.]{0,30})\s")
# "1 USD", and "0.35 ... 1.05 USD" where IBKR names the least and the most.
_FEE = re.compile(r"\s*([0-9][0-9,.]{0,20})(?:[^0-9A-Za-z]{1,8}([0-9][0-9,.]{0,20}))?\s*([A-Z]{3})?")
_LONGEST_WARNING = 500


def preview(body: Any) -> OrderPreview:
    """What the answer says of margin, equity and fee, and why IBKR would refuse. Its `warn` is no refusal."""
    refusal = error_text(body)
    return OrderPreview(
        equity=_figure(mapping(body, "equity")),
        initial=_figure(mapping(body, "initial")),
        maintenance=_figure(mapping(body, "maintenance")),
        commission=_commission(mapping(body, "amount").get("commission")),
        warning=_warning(mapping(body).get("warn")),
        refusal=refusal,
        short=bool(_SHORT.search(refusal)),
    )


def is_of_another(body: Any, leg: Leg) -> bool:
    """Whether the answer is about another order than this one: of another size, or on the other side."""
    size = _SIZE.search(one_line(mapping(body, "amount").get("amount"), 200))
    told = number(size[1]) if size else None
    if told is not None and told != leg.intent.quantity:
        return True
    if leg.intent.instrument.asset_class is AssetClass.FOREX:
        # What IBKR calls the position of a pair is not of the order's side.
        return False
    change = number(mapping(body, "position").get("change"))
    return bool(change) and (change > 0) is not (leg.intent.side.sign > 0) if change is not None else False


def _figure(values: Mapping[str, Any]) -> Figure:
    """Before, change and after: as IBKR says, or the third from the other two."""
    before, change, after = (_amount(values.get(name)) for name in ("current", "change", "after"))
    if change is None and before is not None and after is not None:
        change = after - before
    if after is None and before is not None and change is not None:
        after = before + change
    return Figure(before=before, change=change, after=after)


def _amount(value: Any) -> Decimal | None:
    amount = number(value)
    return amount if amount is not None and abs(amount) < _MOST else None


def _commission(value: Any) -> Commission | None:
    """The fee, or the least and the most of it."""
    said = _FEE.match(one_line(value, 80))
    least = number(said[1]) if said else None
    if said is None or least is None:
        return None
    most = number(said[2]) if said[2] else None
    most = least if most is None else most
    return Commission(least=min(least, most), most=max(least, most), currency=said[3] or "USD")


def _warning(value: Any) -> str:
    """IBKR's words, without the number that it puts before them: "21/You are trying ..."."""
    return re.sub(r"^[0-9]{1,8}/", "", one_line(value, _LONGEST_WARNING))
