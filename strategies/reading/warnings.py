"""Warnings about an accepted message as sentences: fields that were not used, and what the sender may have meant."""

from __future__ import annotations

import difflib
import functools

from brokers.domain.sentences import all_of
from strategies.reading.sent import KNOWN

OLD_TEXT = "old-tradingview-text"
_BESIDE_LEGS = {
    "price-beside-legs": "is a price of the chart, and no price of a combo. It was left out; limitPrice is that of the combo.",
    "not-with-legs": "does not go with legs, and was left out: the combo leaves without it.",
    "sign-beside-legs": "has the other sign than that of opening these legs. Its size was taken as the price of the combo.",
}


@functools.lru_cache(maxsize=2_000)
def sentence(code: str) -> str:
    """A warning's code (`unknown-field:quantiy`) as one sentence that helps; an unknown code is returned unchanged."""
    kind, _, name = code.partition(":")
    if kind == "unknown-field":
        meant = did_you_mean(name)
        if meant:
            return f"{name} is not a field we know, and was not used. Did you mean {meant}? Names are case-sensitive."
        return f"{name} is not a field we know. It was kept, and not used."
    if kind == "blank-field":
        return f"{name} was empty or null, which is the same as leaving it out."
    if kind == OLD_TEXT:
        return _old_text(name.split(","))
    if kind == "deprecated-field":
        return (
            f"{name} is an old name of {_NEW_NAMES.get(name, 'another field')}, which means the same. Send the new one."
        )
    if kind == "ignored-quantity":
        return "quantity is 0 beside a close of the whole position, where none is needed. It was left out; leave it out too."
    if kind == "small-forex-quantity":
        return (
            f"quantity {name} is counted in units of the first currency, not in lots: a standard lot is 100000 units, a mini lot "
            "10000, a micro lot 1000. Send units."
        )
    if kind == "continuous-contract":
        return (
            f"{name} is a continuous contract: an order trades the month that its chart shows at that moment. "
            "Name the month (root, month code and year) to be sure which one."
        )
    if kind in _BESIDE_LEGS:
        return f"{name} {_BESIDE_LEGS[kind]}"
    if kind == "delayed-feed":
        return (
            f"{name} is a delayed feed: its chart is ten minutes or more behind the market, and so is this signal. "
            "The order trades at today's prices. Use a real-time feed for signals that are traded."
        )
    if kind == "ignored-time":
        return (
            "time could not be read, so nobody knows how old this signal is: it exits, and enters nothing where the strategy "
            "limits the age of entries. Send {{timenow}}, an ISO 8601 moment or seconds since 1970, or leave time out."
        )
    if kind.startswith("ignored-"):
        return (
            f"{kind.removeprefix('ignored-')} could not be read. It only informs, so the order is the same without it."
        )
    return code


_NEW_NAMES = {"stopLoss.trailPrice": "stopLoss.trailAmount"}
_WHY_MISSING = {
    "sentiment": "an order that only closes may be taken for one that changes sides",
    "orderId": "two equal orders within one second are taken for one sent twice",
    "prevMarketPositionSize": "a reversal's quantity, which includes the exit, may open too much",
}


def _old_text(missing: list[str]) -> str:
    why = "; ".join(_WHY_MISSING[name] for name in missing if name in _WHY_MISSING)
    return (
        f"If a TradingView strategy sends this, its text lacks {all_of(missing)}: {why}. "
        "Copy the text on the strategy's page into the alert again."
    )


def did_you_mean(name: str) -> str:
    """The known field whose name is nearest, or an empty text."""
    known = {field.lower(): field for field in sorted(KNOWN)}
    _, _, last = name[:60].rpartition(".")
    plain = last.replace("_", "").replace("-", "").lower()
    if plain in known:
        return known[plain]
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.8)
    return known[close[0]] if close else ""
