"""Previews of orders as IBKR was seen to answer them, and as it must not be believed."""

from __future__ import annotations

from typing import Any

_NONE = {"current": "", "change": "", "after": ""}
_WARNING = "21/You are trying to submit an order without having market data for this instrument."

WITHOUT_FIGURES: dict[str, Any] = {
    "amount": {"amount": "", "commission": "", "total": ""},
    **{key: dict(_NONE) for key in ("equity", "initial", "maintenance", "position")},
    "warn": _WARNING,
    "error": None,
}
# What would be taken all the same.
WITH_A_WARNING: dict[str, Any] = {
    "amount": {"amount": "", "commission": "0.35 ... 1.05 USD", "total": ""},
    "equity": {"current": "100,000", "change": "-1", "after": "99,999"},
    "initial": {"current": "1,000", "change": "500", "after": "1,500"},
    "maintenance": {"current": "900", "change": "450", "after": "1,350"},
    "position": dict(_NONE),
    "warn": _WARNING,
    "error": None,
}
# No word of a refusal, and more margin than the account is worth.
SHORT: dict[str, Any] = {
    **WITH_A_WARNING,
    "equity": {"current": "2,500", "change": "-1", "after": "2,499"},
    "initial": {"current": "0", "change": "50,000", "after": "50,000"},
    "maintenance": {"current": "0", "change": "45,000", "after": "45,000"},
}
OF_ANOTHER_ORDER: dict[str, Any] = {
    **WITH_A_WARNING,
    "amount": {"amount": "193,253.19 USD (977 Shares)", "commission": "4.89 USD", "total": "193,258.08 USD"},
}
