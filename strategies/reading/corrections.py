"""Suggests how a refused message would be right, where its meaning is plain. For people: never applied to a signal."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from strategies.domain.message.freshness import is_bar_time
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import json_repair
from strategies.reading.fields import pine_symbol
from strategies.reading.parse import BODY_LIMIT, Reading, parse
from strategies.reading.shares import HUNDRED, share
from strategies.reading.warnings import did_you_mean

MOST_STEPS = 12
_ENTRY_AGE, _LONGEST_BAR = timedelta(seconds=60), timedelta(days=1)
_WORDS = re.compile(r"Use one of: ([a-z_, ]+)\.")
_NUMBER_NOISE = re.compile(r"[$\u20ac\u00a3,_\s]")
# Refusals whose sentence says to leave the field out.
_LEAVE_OUT = frozenset(
    {
        "invalid-sentiment-action",
        "invalid-asset-class",
        "invalid-extended-hours",
        "invalid-message-length",
        "invalid-message-tags",
        "invalid-signal-id",
    }
)
_OTHER_NAMES = {
    "symbol": "ticker",
    "instrument": "ticker",
    "side": "action",
    "order": "action",
    "direction": "action",
    "qty": "quantity",
    "size": "quantity",
    "contracts": "quantity",
    "shares": "quantity",
}
_OTHER_ACTIONS = {
    "long": "buy",
    "short": "sell",
    "close": "exit",
    "flat": "exit",
    "flatten": "exit",
    "buy_to_open": "buy",
    "sell_to_close": "exit",
    "cover": "exit",
    "cancel_all": "cancel",
}

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Correction:
    """A message that would be accepted, and the changes that made it so, one sentence each."""

    text: str
    changes: tuple[str, ...]


def corrected(text: str, *, kind: Kind, allowed_tickers: Collection[str], now: datetime) -> Correction | None:
    """The nearest message that would be accepted; None when this one would be, or when no correction is certain."""
    changes: list[str] = []
    current = text.strip().lstrip("\ufeff")
    if len(current) > BODY_LIMIT:
        return None
    for _ in range(MOST_STEPS):
        try:
            reading = parse(current.encode("utf-8", "replace"), kind=kind, allowed_tickers=allowed_tickers, now=now)
        except Refused as refused:
            fixed = _fix(current, refused, changes)
        else:
            fixed = _rename_unknown(reading, changes) or _tidied(reading, changes, now)
            if fixed is None:
                return Correction(current, tuple(changes)) if changes else None
        if fixed is None or fixed == current:
            return None
        current = fixed
    return None


def _fix(text: str, refused: Refused, changes: list[str]) -> str | None:
    """The text without the cause of this refusal; None when no correction is certain."""
    if refused.code == "malformed-json":
        return json_repair.fixed(text, changes)
    try:
        values = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    if isinstance(values, list) and len(values) == 1:
        changes.append("Taken out of the list: each signal is one object.")
        return _written(values[0])
    if not isinstance(values, dict):
        return None
    return _written(values) if _fix_values(values, refused, changes) else None


def _fix_values(values: Values, refused: Refused, changes: list[str]) -> bool:
    """Correct, in place, the field that the refusal names; False when no correction is certain."""
    name = refused.field
    if name in {"ticker", "action"} and values.get(name) is None:
        return _rename(values, name, changes)
    holder, key = _place(values, name)
    if holder is None:
        return False
    value = holder[key]
    if refused.code in _LEAVE_OUT and name not in {"ticker", "action"}:
        del holder[key]
        changes.append(f"{name} left out.")
        return True
    if name == "ticker" and isinstance(value, str) and (symbol := pine_symbol(value)):
        holder[key] = symbol
        changes.append(f"ticker: the chart's id became its symbol, {symbol}.")
        return True
    if name == "quantityType" and values.get("action") in {"cancel", "breakeven"}:
        del values[name]
        values.pop("quantity", None)
        changes.append("quantity and quantityType left out.")
        return True
    if name == "quantity" and (percent := share(value)) is not None:
        return _fix_share(values, percent, changes)
    for fix in _FIXES:
        new = fix(value, refused)
        if new is not None and new != value:
            holder[key] = new
            changes.append(f"{name}: {_shown(value)} became {_shown(new)}.")
            return True
    return False


def _fix_share(values: Values, percent: Decimal, changes: list[str]) -> bool:
    """A part of the position, as the exit says it; what it is a part of is certain for an exit alone."""
    if values.get("action") != "exit":
        return False
    if percent >= HUNDRED:
        del values["quantity"]
        values.pop("quantityType", None)
        changes.append("quantity left out: exit closes the whole position.")
        return True
    changes.append(f"quantity: {_shown(values['quantity'])} became {percent} with percent_of_position.")
    values |= {"quantity": percent, "quantityType": "percent_of_position"}
    return True


def _place(values: Values, name: str) -> tuple[Values | None, str]:
    """The object that holds a field such as stopLoss.type, and its key there."""
    holder: Any = values
    *path, key = name.split(".")
    for part in path:
        holder = holder.get(part) if isinstance(holder, dict) else None
    return (holder, key) if isinstance(holder, dict) and key in holder else (None, key)


def _rename(values: Values, name: str, changes: list[str]) -> bool:
    """Give a required field its name, when a field under another name plainly is meant for it."""
    for sent_name in list(values)[:50]:
        plain = sent_name[:60].lower().replace("_", "").replace("-", "")
        if plain == name or _OTHER_NAMES.get(plain) == name or did_you_mean(sent_name) == name:
            changes.append(f"{sent_name[:40]} renamed {name}.")
            _renamed(values, sent_name, name)
            return True
    return False


def _rename_unknown(reading: Reading, changes: list[str]) -> str | None:
    """An accepted message with one more unused field renamed as it plainly means; None when there is none."""
    values = dict(reading.values)
    for code in reading.warnings:
        head, _, name = code.partition(":")
        if head != "unknown-field" or name not in values:
            continue
        meant = did_you_mean(name) or _OTHER_NAMES.get(name.lower(), "")
        if meant and meant not in values:
            changes.append(f"{name} renamed {meant}.")
            _renamed(values, name, meant)
            return _written(values)
    return None


def _tidied(reading: Reading, changes: list[str], now: datetime) -> str | None:
    """An accepted message without what it was warned of, where the right form is plain; None when there is nothing."""
    values = dict(reading.values)
    stop = values.get("stopLoss")
    if "ignored-quantity" in reading.warnings and "quantity" in values:
        values.pop("quantityType", None)
        del values["quantity"]
        changes.append("quantity left out: a close of the whole position needs none.")
    elif "deprecated-field:stopLoss.trailPrice" in reading.warnings and isinstance(stop, dict):
        values["stopLoss"] = dict(stop)
        _renamed(values["stopLoss"], "trailPrice", "trailAmount")
        changes.append("stopLoss.trailPrice renamed trailAmount.")
    elif "time" in values and _opens_a_bar(reading, now):
        values["time"] = "{{timenow}}"
        changes.append("time: the opening of a bar became {{timenow}}, when the alert is sent.")
    else:
        return None
    return _written(values)


def _opens_a_bar(reading: Reading, now: datetime) -> bool:
    """Whether its time is the bar's, {{time}}: exactly on a minute, too old for an entry, and a chart's interval beside it."""
    at = reading.message.signal_time
    if at is None or "interval" not in reading.values or not is_bar_time(reading.message):
        return False
    return _ENTRY_AGE < now - at <= _LONGEST_BAR


def _renamed(values: Values, old: str, new: str) -> None:
    """Rename a key in place, in its order; a null under the new name gives way."""
    pairs = [(new if key == old else key, value) for key, value in values.items() if key != new]
    values.clear()
    values.update(pairs)


def _nearest_word(value: object, refused: Refused) -> object | None:
    match = _WORDS.search(refused.message)
    if match is None or not isinstance(value, str):
        return None
    words = match[1].split(", ")
    typed = value.strip().lower().replace(" ", "_").replace("-", "_")[:40]
    if refused.field == "action" and typed in _OTHER_ACTIONS:
        return _OTHER_ACTIONS[typed]
    if typed in words:
        return typed
    squeezed = {word.replace("_", ""): word for word in words}
    if typed.replace("_", "") in squeezed:
        return squeezed[typed.replace("_", "")]
    close = difflib.get_close_matches(typed, words, n=1, cutoff=0.7)
    return close[0] if close else None


def _clean_number(value: object, refused: Refused) -> object | None:
    if not isinstance(value, str) or "not a number" not in refused.message or len(value) > 60:
        return None
    bare = _NUMBER_NOISE.sub("", value)
    # 1,5 may be one and a half or a slip: only groups of three are thousands.
    if "," in value and not re.fullmatch(r"[^\d]*\d{1,3}(?:,\d{3})+(?:\.\d+)?[^\d]*", value):
        return None
    return bare if re.fullmatch(r"\d{1,15}(?:\.\d{1,10})?", bare) else None


def _right_sizing(value: object, refused: Refused) -> object | None:
    match = re.search(r'"quantityType": "([a-z_]+)"', refused.hint) if refused.field == "quantityType" else None
    return match[1] if match else None


def _unquoted(value: object, refused: Refused) -> object | None:
    if not isinstance(value, str) or "without quotation marks" not in refused.message:
        return None
    words: dict[str, bool] = {"true": True, "yes": True, "false": False, "no": False}
    return words.get(value.strip().lower())


def _shown(value: object) -> str:
    written = _written(value)
    return written if len(written) <= 40 else written[:40] + "\u2026"


def _written(value: object) -> str:
    return json.dumps(value, indent=2 if isinstance(value, dict) else None, ensure_ascii=False, default=_number)


def _number(value: object) -> object:
    """A decimal as JSON writes it; one that a float would change goes as text, which reads the same."""
    assert isinstance(value, Decimal)
    as_float = float(value)
    return as_float if Decimal(repr(as_float)) == value else f"{value:f}"


_FIXES: tuple[Callable[[object, Refused], object | None], ...] = (
    _nearest_word,
    _clean_number,
    _right_sizing,
    _unquoted,
)
