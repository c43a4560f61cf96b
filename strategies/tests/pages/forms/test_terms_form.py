"""The form of terms: whatever terms are shown, the same come back; what does not go together is said at its field."""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.orders import TRAILING, OrderType, TimeInForce
from brokers.domain.protection.choices import MissingStop
from config.tests.samples import samples
from strategies.display.labels import CHOICES, LABELS
from strategies.domain.message.message import Bracket, Ladder, Rung
from strategies.domain.message.symbols import Kind
from strategies.domain.terms import contradictions as contrary
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.effective import SIGNAL_FIELDS
from strategies.domain.terms.terms import (
    DECIMALS,
    NAMES,
    ExitUnfilled,
    Hours,
    MarketClosed,
    MarketPrice,
    OptionType,
    QuantityType,
    RestartEntries,
    Rounding,
    Sides,
    Terms,
    WorkingEntry,
)
from strategies.domain.terms.windows import Window
from strategies.pages.forms.sections import SECTIONS
from strategies.pages.forms.terms import TermsForm

D = Decimal


class Posted(HTMLParser):
    """What a browser would send of the form it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.data = QueryDict(mutable=True)
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name, kind = attributes.get("name") or "", attributes.get("type")
        if tag == "select":
            self.select = name
        elif tag == "option" and "selected" in attributes:
            self.data.appendlist(self.select, attributes.get("value") or "")
        elif tag == "input" and name and kind not in {"submit", "button"}:
            if kind not in {"checkbox", "radio"}:
                self.data.appendlist(name, attributes.get("value") or "")
            elif "checked" in attributes:
                self.data.appendlist(name, attributes.get("value") or "on")


def posted(terms: Terms) -> QueryDict:
    reader = Posted()
    form = TermsForm(terms=terms)
    page = render_to_string("strategies/_terms_fields.html", {"form": form})
    reader.feed(re.sub(r"<template.*?</template>", "", page, flags=re.DOTALL))
    return reader.data


def above_zero(most: str = "1000000") -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value="0.00000001", max_value=most, places=8)


bracket_modes = {"take_profit": ["percent", "amount", "pnlAmount"], "stop_loss": list(CHOICES["stop_loss"])}
windows = st.builds(
    Window,
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    start=st.times().map(lambda at: at.replace(microsecond=0)),
    end=st.times().map(lambda at: at.replace(microsecond=0)),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC"]),
)
WORDS: dict[str, type[StrEnum]] = {
    "sides": Sides,
    "quantity_type": QuantityType,
    "rounding": Rounding,
    "market_price": MarketPrice,
    "exit_market_price": MarketPrice,
    "working_entry": WorkingEntry,
    "market_closed": MarketClosed,
    "restart_entries": RestartEntries,
    "exit_unfilled": ExitUnfilled,
    "hours": Hours,
    "order_type": OrderType,
    "exit_order_type": OrderType,
    "time_in_force": TimeInForce,
    "exit_time_in_force": TimeInForce,
    "missing_stop": MissingStop,
    "option_type": OptionType,
}


one_target = st.builds(Bracket, mode=st.sampled_from(bracket_modes["take_profit"]), value=above_zero("99"))


@st.composite
def several_targets(draw: st.DrawFn) -> Ladder:
    mode, count = draw(st.sampled_from(bracket_modes["take_profit"])), draw(st.integers(1, 5))
    values = sorted(draw(st.lists(above_zero("99"), min_size=count, max_size=count, unique=True)))
    brackets = [Bracket(mode=mode, value=value) for value in values]
    each = draw(st.sampled_from(["percent", "quantity", "equal"] if count > 1 else ["percent", "quantity"]))
    if each == "equal":
        return Ladder(tuple(Rung(target=bracket) for bracket in brackets))
    return Ladder(tuple(Rung(target=bracket, **{each: draw(above_zero("20"))}) for bracket in brackets))


def value_of(name: str) -> st.SearchStrategy[Any]:
    optional = name.startswith(("exit_", "option_")) and getattr(Terms(), name) is None
    if name in WORDS:
        words_drawn: st.SearchStrategy[Any] = st.sampled_from([*WORDS[name].__members__.values()])
    elif name == "stop_loss_type":
        words_drawn = st.sampled_from([OrderType.STOP, OrderType.STOP_LIMIT, *sorted(TRAILING)])
    elif name == "take_profit":
        return st.none() | one_target | several_targets()
    elif name in bracket_modes:
        return st.none() | st.builds(Bracket, mode=st.sampled_from(bracket_modes[name]), value=above_zero("99"))
    elif name == "windows":
        return st.lists(windows, max_size=4).map(tuple)
    elif name == "tickers":
        return st.lists(st.sampled_from(["SPY", "BRK.B", "AAPL", "MNQ"]), unique=True).map(tuple)
    elif name == "signal_fields":
        return st.sets(st.sampled_from(SIGNAL_FIELDS)).map(lambda names: tuple(n for n in SIGNAL_FIELDS if n in names))
    elif name in {"exit_outside_rth", "legs_outside_rth"}:
        return st.sampled_from([None, True, False])
    elif name == "option_expiration":
        return st.none() | st.sampled_from(["+1 weeks", "+30 days", "2026-12-18"])
    elif name == "quantity_multiplier":
        return above_zero()
    elif name in DECIMALS:
        return st.none() | above_zero()
    elif isinstance(getattr(Terms(), name), bool):
        return st.booleans()
    else:
        low, high = contrary._BOUNDS[name]
        whole = st.integers(low, high)
        return whole if getattr(Terms(), name) is not None else st.none() | whole
    return st.none() | words_drawn if optional else words_drawn


every_terms = st.fixed_dictionaries({name: value_of(name) for name in NAMES}).map(lambda values: Terms(**values))


@settings(max_examples=samples(60), deadline=None)
@given(every_terms)
def test_the_form_of_any_terms_gives_the_same_terms_back(terms: Terms) -> None:
    form = TermsForm(posted(terms))
    # Nothing but what the terms themselves contradict is refused, and each of it is.
    errors = {(name, sentence) for name, sentences in form.errors.items() for sentence in sentences}
    assert errors == {(contradicted(name), sentence) for name, sentence in contradictions(terms)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strategies.pages.forms.terms.contradictions", lambda _: [])
        form.full_clean()
        assert form.terms() == terms


def contradicted(name: str) -> str:
    return f"{name}_value" if name in bracket_modes else name


def test_every_setting_stands_in_one_section_under_its_own_words() -> None:
    shown = [name for section in SECTIONS for name in section.names.split()]
    assert sorted(shown) == sorted(TermsForm.base_fields)
    covered = {
        re.sub("_(mode|value|more|parts|moves|moves_by|moves_after)$", "", name) if name not in NAMES else name
        for name in shown
    }
    assert covered == set(NAMES)
    for name, field in TermsForm.base_fields.items():
        several = {"Stop loss value", "Take profit value", "Further targets", "Parts of the targets"}
        several |= {"Once targets have filled, the stop", "After so many targets", "By"}
        assert field.label in {*LABELS.values(), *several}, name


@pytest.mark.parametrize(
    ("terms", "field", "sentence"),
    [
        (
            Terms(outside_rth=True),
            "outside_rth",
            "Outside regular hours IBKR takes limit orders only, and these are market orders.",
        ),
        (
            Terms(order_type=OrderType.LIMIT, outside_rth=True, exit_order_type=OrderType.MARKET),
            "exit_outside_rth",
            "these are market orders",
        ),
        (Terms(isolate_sides=True), "isolate_sides", "Only a single side can be isolated."),
        (
            Terms(allow_swap=True, subtract_exit_quantity=True, allow_overrides=False, quantity=D(1)),
            "subtract_exit_quantity",
            "Signals may not say how many",
        ),
        (
            Terms(quantity=D(1), quantity_type=QuantityType.RISK_PERCENT),
            "stop_loss_value",
            "needs a stop loss to measure",
        ),
        (Terms(quantity_type=QuantityType.AMOUNT), "quantity", "needs its figure"),
        (Terms(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTD), "good_till_days", "for how many days"),
        (Terms(exit_cancel_after=4000), "exit_cancel_after", "Set a whole number from 1 to 3600."),
        (
            Terms(windows=(Window(days=(0,), start=time(9), end=time(16), zone="Mars/Olympus"),)),
            "windows",
            "There is no time zone Mars/Olympus.",
        ),
    ],
)
def test_it_says_what_does_not_go_together_at_the_field(terms: Terms, field: str, sentence: str) -> None:
    form = TermsForm(posted(terms))
    assert not form.is_valid()
    assert sentence in " ".join(map(str, form.errors[field]))
    section = next(each for each in form.sections() if field in [bound.name for bound in (*each.first, *each.more)])
    assert section.opened or section.more_opened


def test_a_leg_needs_its_mode_and_its_value() -> None:
    data = posted(Terms())
    data["stop_loss_mode"], data["take_profit_value"] = "percent", "3"
    form = TermsForm(data)
    assert form.errors["stop_loss_value"] == ["Say how far. Or choose none."]
    assert form.errors["take_profit_mode"] == ["Say what the value counts. Or leave it empty."]


@pytest.mark.parametrize(
    ("more", "parts", "field", "sentence"),
    [
        ("4 x", "", "take_profit_more", "x is no number."),
        ("4 6", "50% 50%", "take_profit_parts", "There are 3 targets and 2 parts."),
        ("4", "half 50%", "take_profit_parts", "half is no part."),
        ("4", "50% 3", "take_profit_value", "all in percent or all in units"),
        ("4", "60% 60%", "take_profit_value", "The parts sum up to 120 %"),
        ("1", "", "take_profit_value", "further from the entry"),
        ("3", "", "take_profit_value", "further from the entry"),
        ("4 5 6 7 8", "", "take_profit_value", "at most 5 targets"),
        ("4", "0% 50%", "take_profit_value", "above zero"),
        ("-4", "", "take_profit_value", "above zero"),
        ("4", "1e99% 50%", "take_profit_parts", "is no part"),
    ],
)
def test_targets_that_do_not_go_together_are_told_at_their_field(
    more: str, parts: str, field: str, sentence: str
) -> None:
    data = posted(Terms())
    data["take_profit_mode"], data["take_profit_value"] = "percent", "3"
    data["take_profit_more"], data["take_profit_parts"] = more, parts
    form = TermsForm(data)
    assert not form.is_valid()
    assert sentence in " ".join(map(str, form.errors[field]))


def test_further_targets_need_the_first() -> None:
    data = posted(Terms())
    data["take_profit_more"] = "4"
    assert TermsForm(data).errors["take_profit_mode"] == ["Say what the targets count. Or leave them empty."]


def test_rows_of_windows_are_read_left_out_and_refused_by_their_number() -> None:
    data = posted(Terms())
    data.setlist("windows-0-days", ["mon", "fri"])
    data["windows-0-start"], data["windows-0-end"] = "22:00", "02:00"
    data["windows-0-zone"] = "Europe/Berlin"
    data["windows-4-zone"] = "America/New_York"
    form = TermsForm(data)
    assert form.is_valid(), form.errors
    assert form.terms().windows == (Window(days=(0, 4), start=time(22), end=time(2), zone="Europe/Berlin"),)
    data["windows-1-start"] = "noon"
    assert TermsForm(data).errors["windows"] == ["Row 2: A trading window needs a day. Choose one, or remove the row."]
    data.setlist("windows-1-days", ["tue"])
    assert TermsForm(data).errors["windows"] == ["Row 2: Write both times of day, such as 09:30 and 16:00."]
    data["windows-1-remove"] = "on"
    assert TermsForm(data).is_valid()


def test_tickers_are_read_as_the_strategys_kind() -> None:
    data = posted(Terms())
    data["tickers"] = "es1!, mnq"
    assert "List its root, ES" in TermsForm(data, kind=Kind.FUTURE).errors["tickers"][0]
    data["tickers"] = "mnq es mnq"
    form = TermsForm(data, kind=Kind.FUTURE)
    assert form.is_valid()
    assert form.terms().tickers == ("MNQ", "ES")


def test_sections_open_where_something_is_unusual() -> None:
    calm = {section.key: section for section in TermsForm(terms=Terms()).sections()}
    assert [key for key, section in calm.items() if not section.opened] == [
        "exits",
        "when",
        "flow",
        "guards",
        "overrides",
    ]
    assert not any(section.more_opened for section in calm.values())
    unusual = Terms(close_only=True, max_quantity=D(5))
    sections = {section.key: section for section in TermsForm(terms=unusual).sections()}
    assert sections["guards"].opened
    assert sections["guards"].says == "Largest quantity: 5"
    assert sections["trades"].more_opened
    window = Window(days=(0,), start=time(9), end=time(16))
    when = {section.key: section for section in TermsForm(terms=Terms(windows=(window,))).sections()}["when"]
    assert when.opened
    assert when.says == "Trading windows: Mon 09:00 to 16:00 New York"
