"""Settings in effect: what a signal and the terms make of each setting, for entries and exits, and who set it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strategies.display.labels import LABELS
from strategies.display.values import describe
from strategies.domain.message.message import Message
from strategies.domain.terms.effective import Chosen, Leg, Source, effective
from strategies.domain.terms.terms import Terms

# `effective.Settings` names these otherwise than the terms do, or the terms do not have them.
_LABELS = {
    "extended_hours": LABELS["outside_rth"],
    "cancel": LABELS["cancel_orders"],
    "limit_price": "Limit price",
    "stop_price": "Stop price",
    "touch_price": "Touch price",
    "limit_offset": "Limit beyond the stop by",
    "good_till": "Good till",
    "ignore_windows": "Ignore trading windows",
}
# What it means that nobody set it; "none" for the others.
_UNSET = {"limit_price": "the market's", "stop_price": "the market's", "cancel_after": "never"}
_UNSET_QUANTITY = {Leg.ENTRY: "none: it would be rejected", Leg.EXIT: "all of it"}
_ONLY_OF_ENTRIES = frozenset({"take_profit", "stop_loss"})
_ONLY_OF_EXITS = frozenset({"breakeven_offset"})


@dataclass(frozen=True, slots=True)
class Side:
    """A setting's value for one leg, and who set it; both are empty where the leg has no such setting."""

    text: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in effect, for entries and for exits."""

    label: str
    entry: Side
    exit: Side

    @property
    def is_set(self) -> bool:
        """True when signal, subscription or strategy set it, for one of the legs at least."""
        return bool({self.entry.source, self.exit.source} - {"", Source.DEFAULT})


def settings_in_effect(message: Message, terms: Terms, defaults: Terms | None = None) -> list[Setting]:
    """Every setting under which this message is traded; `defaults` are the strategy's own, where its name shall appear."""
    entry, leave = (effective(message, terms, leg, strategy=defaults).shown() for leg in (Leg.ENTRY, Leg.EXIT))
    return [
        Setting(
            label=_LABELS.get(name) or LABELS[name],
            entry=Side() if name in _ONLY_OF_EXITS else _side(name, entry[name], Leg.ENTRY),
            exit=Side() if name in _ONLY_OF_ENTRIES else _side(name, leave[name], Leg.EXIT),
        )
        for name in entry
    ]


def _side(name: str, chosen: Chosen[Any], leg: Leg) -> Side:
    return Side(_text(name, chosen.value, leg), str(chosen.source))


def _text(name: str, value: Any, leg: Leg) -> str:
    if value is not None:
        return describe(name, value)
    return _UNSET_QUANTITY[leg] if name == "quantity" else _UNSET.get(name, "none")
