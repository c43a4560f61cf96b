"""IBKR's preview of an order, in our words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import OrderPreview
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


def preview(body: Any) -> OrderPreview:
    """What the answer says of the initial margin, and why IBKR would refuse. Its `warn` is no refusal."""
    refusal = error_text(body)
    initial = body.get("initial") if isinstance(body, Mapping) else None
    return OrderPreview(
        initial_margin=_change(initial) if isinstance(initial, Mapping) else None,
        refusal=refusal,
        short=bool(_SHORT.search(refusal)),
    )


def _change(initial: Mapping[str, Any]) -> Decimal | None:
    """By how much it changes: as IBKR says, or the difference between after and before."""
    change = number(initial.get("change"))
    if change is None:
        before, after = number(initial.get("current")), number(initial.get("after"))
        change = None if before is None or after is None else after - before
    return change if change is not None and abs(change) < _MOST else None
