"""Our reading of a message as plain pairs: what it says, in the words of the trade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Pair = tuple[str, str]

_NAMES = {
    "signal_price": "Price it saw",
    "signal_time": "Its own time",
    "signal_id": "Its own id",
    "tif": "Good for",
    "extended": "Outside regular hours",
    "limit": "Limit price",
    "stop": "Stop price",
    "cancel": "Cancel orders first",
    "cancel_order_type": "Cancel only",
    "cancel_after": "Cancel after, seconds",
    "delay": "Delay, seconds",
    "expires_at": "Expires",
    "ignore_trading_windows": "Ignore trading windows",
    "bid_ask_spread_filter": "Widest spread",
    "bid_ask_spread_filter_percent": "Widest spread, percent",
    "test": "Test",
}
_SIZES = {
    "fixed_quantity": "{}",
    "dollar_amount": "for {} dollars",
    "risk_dollar_amount": "risking {} dollars",
    "risk_percent": "risking {} % of the account",
    "percent_of_equity": "{} % of the account",
    "percent_of_position": "{} % of the position",
}
_MODES = {
    "percent": "{} % from the entry",
    "amount": "{} from the entry",
    "limitPrice": "at {}",
    "stopPrice": "at {}",
    "pnlAmount": "at a gain or loss of {}",
    "trailAmount": "trailing by {}",
    "trailPercent": "trailing by {} %",
}


def pairs(reading: Mapping[str, Any]) -> list[Pair]:
    """Each thing a reading says as a name and a text, most important first; nothing is left out."""
    return list(_pairs(reading))


def _pairs(reading: Mapping[str, Any]) -> Iterator[Pair]:
    for name, value in reading.items():
        match name, value:
            case "quantity", {"value": amount, "type": kind}:
                yield "Quantity", _SIZES.get(kind, f"{{}} ({_words(kind)})").format(amount)
            case "instrument", {"class": kind, **rest}:
                yield "Instrument", f"{rest.pop('symbol', '')} ({kind})".strip()
                yield from _rest(rest)
            case "take_profit" | "stop_loss", {"mode": mode, "value": amount, **rest}:
                how = _MODES.get(mode, f"{{}} ({_words(mode)})").format(amount)
                kind = rest.pop("type", None)
                yield _name(name), f"{_words(kind)}, {how}" if kind else how
                yield from ((f"{_name(name)}: {label.lower()}", text) for label, text in _rest(rest))
            case (("order" | "option"), {**rest}):
                yield from (("Order type" if label == "Type" else label, text) for label, text in _rest(rest))
            case "action" | "sentiment", _:
                yield _name(name), _words(value).capitalize()
            case _, {**rest}:
                yield from ((f"{_name(name)}: {label}", text) for label, text in _rest(rest, keep=True))
            case _:
                yield _name(name), _text(value)


def _rest(values: Mapping[Any, Any], keep: bool = False) -> Iterator[Pair]:
    """`keep`: the names are the sender's own."""
    for name, value in values.items():
        yield name if keep else _name(name), _text(value)


def _name(name: str) -> str:
    return _NAMES.get(name, _words(name).capitalize())


def _words(word: Any) -> str:
    return str(word).replace("_", " ")


def _text(value: Any) -> str:
    match value:
        case True:
            return "Yes"
        case False:
            return "No"
        case list():
            return ", ".join(str(each) for each in value)
        case _:
            return str(value)
