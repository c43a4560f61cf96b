"""The form of terms in sections, from top to bottom. A section opens by itself where its settings are unusual."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from strategies.display.labels import LABELS
from strategies.display.values import describe
from strategies.domain.terms.terms import NAMES, Terms


@dataclass(frozen=True, slots=True)
class Outline:
    """The names of the fields of a section, separated by spaces. `always`: it is open from the start."""

    key: str
    title: str
    names: str
    lead: str = ""
    always: bool = False


SECTIONS = (
    Outline(
        "trades",
        "What it trades",
        "tickers sides allow_swap subtract_exit_quantity allow_add isolate_sides ignore_exits close_only invert_puts "
        "option_type option_expiration option_strikes_away option_spread_percent index_option_spread_percent "
        "close_ending_minutes",
        always=True,
    ),
    Outline("size", "How much", "quantity quantity_type quantity_multiplier rounding", always=True),
    Outline(
        "entries",
        "Orders for entries",
        "order_type time_in_force good_till_days outside_rth cancel_after market_price trail_amount trail_percent spread_amount "
        "spread_percent",
        always=True,
    ),
    Outline(
        "protection",
        "Protection",
        "stop_loss_mode stop_loss_value stop_loss_type stop_loss_limit_offset "
        "take_profit_mode take_profit_value take_profit_more take_profit_parts "
        "stop_loss_moves stop_loss_moves_after stop_loss_moves_by "
        "legs_from_fill missing_stop legs_outside_rth breakeven_offset",
        "Travels with every entry.",
        always=True,
    ),
    Outline("approval", "Approval", "auto_submit approval_seconds", always=True),
    Outline(
        "exits",
        "Orders for exits",
        "exit_order_type exit_time_in_force exit_good_till_days exit_outside_rth exit_cancel_after exit_market_price exit_trail_amount "
        "exit_trail_percent exit_spread_amount exit_spread_percent",
        "What is left as it is works like an entry.",
    ),
    Outline("when", "When", "windows exits_outside_windows hours market_closed restart_entries restart_minutes"),
    Outline(
        "flow",
        "One after the other",
        "working_entry cancel_orders cancel_wait_seconds exit_wait_seconds exit_unfilled entry_time_to_live_seconds "
        "exit_time_to_live_seconds",
        "Orders that work already, waits, and what is too late.",
    ),
    Outline(
        "guards",
        "Guards of this subscription",
        "max_quantity max_amount max_position max_position_amount max_trades_per_day cooldown_seconds max_daily_loss "
        "max_daily_profit collar_percent preview_above",
        "Only entries are held back; the tighter of these and the guards above it holds.",
    ),
    Outline("overrides", "What a signal may override", "allow_overrides signal_fields"),
)
# The fields that a section with more of them shows at once; its others wait behind "more".
_FIRST = """
    tickers sides allow_swap subtract_exit_quantity allow_add quantity quantity_type order_type time_in_force outside_rth
    take_profit_mode take_profit_value take_profit_more take_profit_parts stop_loss_moves stop_loss_moves_after stop_loss_moves_by stop_loss_mode stop_loss_value stop_loss_type legs_from_fill missing_stop legs_outside_rth auto_submit approval_seconds
"""
FIRST = frozenset(_FIRST.split())
_FRESH = Terms()
_ENDS = ("_mode", "_value", "_more", "_parts", "_moves", "_moves_by", "_moves_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the form. `says` sums its unusual settings up where it is closed."""

    key: str
    title: str
    lead: str
    first: list[BoundField]
    more: list[BoundField]
    says: str
    opened: bool
    more_opened: bool


def sections(form: forms.Form, terms: Terms | None, fresh: Mapping[str, Any]) -> list[Section]:
    """The form from top to bottom.

    `terms`: what its fields say; None where they cannot be read. `fresh`: the fields of terms that nobody changed.
    """
    return [_section(outline, form, terms, fresh) for outline in SECTIONS]


def _section(outline: Outline, form: forms.Form, terms: Terms | None, fresh: Mapping[str, Any]) -> Section:
    names = outline.names.split()
    first = [name for name in names if not outline.always or name in FIRST]
    more = [name for name in names if name not in first]
    return Section(
        key=outline.key,
        title=outline.title,
        lead=outline.lead,
        first=[form[name] for name in first],
        more=[form[name] for name in more],
        says=_says(names, terms),
        opened=outline.always or _needs_a_look(first, form, terms, fresh),
        more_opened=_needs_a_look(more, form, terms, fresh),
    )


def _needs_a_look(names: list[str], form: forms.Form, terms: Terms | None, fresh: Mapping[str, Any]) -> bool:
    """Whether any of these fields is wrong, or differs from fresh terms."""
    if any(name in form.errors for name in names):
        return True
    if terms is not None:
        return any(True for _ in _unusual(names, terms))
    return any(str(form[name].value() or "") != str(fresh[name] or "") for name in names if name in fresh)


def _says(names: Iterable[str], terms: Terms | None) -> str:
    if terms is None:
        return ""
    return " · ".join(f"{LABELS[name]}: {describe(name, getattr(terms, name))}" for name in _unusual(names, terms))


def _unusual(names: Iterable[str], terms: Terms) -> Iterator[str]:
    for name in dict.fromkeys(_terms_name(name) for name in names):
        if getattr(terms, name) != getattr(_FRESH, name):
            yield name


def _terms_name(name: str) -> str:
    """The setting that a field is of: several may be of one."""
    if name in NAMES:
        return name
    return next(name.removesuffix(end) for end in _ENDS if name.endswith(end))
