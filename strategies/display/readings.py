"""A reading as pairs of words, for people: each field of the message we understood, with its value."""

from __future__ import annotations

import json
from typing import Any

from brokers.domain.contracts.combos import combo_named
from brokers.domain.orders import FOR_AUCTIONS, OrderType
from strategies.domain.message.symbols import combo_name

# The body beside it has the whole of what is longer.
LONGEST = 500
_LABELS = {
    "action": "Action",
    "sentiment": "Position after it",
    "instrument": "Instrument",
    "quantity": "Quantity",
    "target_quantity": "Position to end with",
    "signal_price": "Price it saw",
    "signal_time": "Its time",
    "signal_id": "Its id",
    "entry_id": "Entry it names",
    "take_profit": "Take profit",
    "stop_loss": "Stop loss",
    "cancel": "Cancel first",
    "cancel_order_type": "Cancel only",
    "cancel_after": "Cancel after",
    "delay": "Delay",
    "breakeven_offset": "Breakeven offset",
    "bid_ask_spread_filter": "Widest spread",
    "bid_ask_spread_filter_percent": "Widest spread in percent",
    "market_price_type": "Priced by",
    "ignore_trading_windows": "Ignore trading windows",
    "expires_at": "Expires",
    "test": "Test",
    "message": "Message",
    "tags": "Tags",
    "extras": "Extras",
}
_FIRST = (
    "action",
    "instrument",
    "sentiment",
    "quantity",
    "target_quantity",
    "order",
    "take_profit",
    "stop_loss",
    "option",
)
_RANKS = {name: n for n, name in enumerate(dict.fromkeys([*_FIRST, *_LABELS]))}
_ORDER_LABELS = {
    "type": "Order type",
    "limit": "Limit price",
    "stop": "Stop price",
    "touch": "Touch price",
    "trail_amount": "Trail by",
    "trail_percent": "Trail by",
    "limit_offset": "Limit beyond the stop by",
    "tif": "Good for",
    "good_till": "Good till",
    "extended": "Outside regular hours",
}
_UNDERSCORED = frozenset({*map(str, OrderType), *FOR_AUCTIONS, "ask_bid"})
_OPTION_LABELS = {
    "type": "Call or put",
    "intrinsic": "In or out of the money",
    "expiration": "Expiration",
    "strike_count": "Strikes looked at",
    "strikes_away": "Strikes away",
    "strike_price": "Strike",
}
_MODES = {
    "percent": "{}% from the entry",
    "amount": "{} from the entry",
    "limitPrice": "at {}",
    "stopPrice": "at {}",
    "pnlAmount": "at {} in money",
    "trailAmount": "trailing by {}",
    "trailPercent": "trailing by {}%",
}
_SIZES = {
    "fixed_quantity": "{}",
    "dollar_amount": "for {} in money",
    "notional_dollar_amount": "for {} in money, options at their strike",
    "risk_dollar_amount": "risking {} in money",
    "risk_percent": "risking {}% of the account",
    "percent_of_equity": "{}% of the account",
    "percent_of_position": "{}% of the position",
}


def pairs(reading: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and values in the order of the contract."""
    labelled: list[tuple[str, str]] = []
    # A stored reading has lost its order.
    for name, value in sorted(reading.items(), key=lambda item: _RANKS.get(item[0], len(_RANKS))):
        if name == "order":
            labelled += [(_ORDER_LABELS.get(key, key), _order_value(key, each)) for key, each in value.items()]
        elif name == "option":
            labelled += [(_OPTION_LABELS.get(key, key), _shown(each)) for key, each in value.items()]
        else:
            labelled.append((_LABELS.get(name, name), _value(name, value)))
    return labelled


def _value(name: str, value: Any) -> str:
    match name:
        case "instrument":
            return instrument(value)
        case "quantity":
            size: str = _SIZES.get(value["type"], "{}")
            return size.format(value["value"])
        case "take_profit" if isinstance(value, list):
            return ", ".join(_bracket(rung) + _part(rung) for rung in value)
        case "take_profit" | "stop_loss":
            return _bracket(value)
        case "cancel_after" | "delay":
            return f"{value} seconds"
        case "bid_ask_spread_filter_percent":
            return f"{value}%"
    return _shown(value)


def instrument(facts: dict[str, Any]) -> str:
    """An instrument's canonical parts as one line."""
    parts = {part: value for part, value in facts.items() if part not in {"class", "exchange_hint"}}
    match facts["class"]:
        case "future" if "continuous" in parts:
            which = "the month on the chart" if parts["continuous"] == 1 else "the month behind the chart's"
            name = f"{parts['root']}, {which}"
        case "future":
            name = f"{parts['root']} {parts['expiry'][:4]}-{parts['expiry'][4:]}"
        case "option" | "future_option" if parts.get("scan"):
            name = f"{parts['underlying']}, a contract of its chain"
        case "option" if "short" in parts:
            combo = combo_named(combo_name(parts["long"], parts["short"]))
            name = f"{parts['long']}/{parts['short']}" if combo is None else combo.spoken
        case "option" | "future_option":
            day = f"{parts['expiry'][:4]}-{parts['expiry'][4:6]}-{parts['expiry'][6:]}"
            of_class = f"{parts['underlying']}{parts.get('series', '')}"
            name = f"{of_class} {day} {'call' if parts['right'] == 'C' else 'put'} {parts['strike']}"
        case "forex" | "crypto":
            name = f"{parts['base']} against {parts['quote']}"
        case _:
            name = f"{parts['venue']}:{parts['symbol']}" if "venue" in parts else str(parts.get("symbol", ""))
    hint = f" ({facts['exchange_hint']})" if "exchange_hint" in facts else ""
    return f"{name}, {_CLASSES.get(facts['class'], facts['class'])}{hint}"


_CLASSES = {"cfd": "CFD", "future_option": "option on a future"}


def _bracket(value: dict[str, Any]) -> str:
    price = _MODES.get(value["mode"], value["mode"] + " {}").format(value["value"])
    kind = f"{value['type'].replace('_', ' ')} " if value.get("type") and value["type"] != "trailing_stop" else ""
    beyond = f", its limit {value['offset']} beyond" if "offset" in value else ""
    limit = f", limit {value['limit']}" if "limit" in value else beyond
    return f"{kind}{price}{limit}{_move(value['moves'])}" if "moves" in value else f"{kind}{price}{limit}"


def _move(value: dict[str, Any]) -> str:
    where = {"break_even": "to break-even", "trail_amount": "trailing", "trail_percent": "trailing"}[value["to"]]
    by = f" by {value['by']}" if value["by"] != "0" else ""
    percent = "%" if value["to"] == "trail_percent" else ""
    return f", {where}{by}{percent} after target {value['after']}"


def _part(rung: dict[str, Any]) -> str:
    if "percent_of_entry" in rung:
        return f" for {rung['percent_of_entry']}%"
    return f" for {rung['quantity']}" if "quantity" in rung else ""


def _order_value(name: str, value: Any) -> str:
    if value is None:
        return "the market's price then"
    return f"{value}%" if name == "trail_percent" else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _short(json.dumps(value, ensure_ascii=False))
    if isinstance(value, list):
        return _short(", ".join(map(str, value)))
    return str(value).replace("_", " ") if value in _UNDERSCORED else str(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "\u2026"
