"""Which option a signal by its parts means: the one that is held, one by a rule, or none that can be guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.option_meant import (
    Held,
    Meant,
    Since,
    option_meant,
    option_meant_now,
    with_defaults,
)
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.terms import OptionType, Terms
from strategies.reading.contract import read

NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
CALL, OTHER, PUT = "SPY 261218C640", "SPY 270115C650", "SPY 261218P610"
NONE = Terms()


def message(action: str = "buy", **values: Any) -> Message:
    sent = {"ticker": "SPY", "action": action, **values}
    return read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW)[0]


def held(*tickers: str, quantity: int = 1, works: bool = False) -> list[Held]:
    return [Held(ticker=each, quantity=Decimal(quantity), works=works) for each in tickers]


def meant(sent: Message, options: list[Held], terms: Terms = NONE) -> Meant:
    found = option_meant(sent, options, terms)
    assert isinstance(found, Meant), found
    return found


def refused(sent: Message, options: list[Held], terms: Terms = NONE) -> Rejection:
    found = option_meant(sent, options, terms)
    assert isinstance(found, Rejection), found
    assert found.reason.endswith((".", "}."))
    return found


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"optionType": "call", "expiration": "+1 week", "strikesAway": 2}, "SPY C +1 weeks out 2"),
        ({"optionType": "put", "expiration": "+0 days"}, "SPY P +0 days at the money"),
        ({"optionType": "call", "expiration": "+6 months", "intrinsicValue": "itm"}, "SPY C +6 months in 1"),
        ({"optionType": "call", "expiration": "+1 day", "intrinsicValue": "otm"}, "SPY C +1 days out 1"),
        (
            {"optionType": "call", "expiration": "+1 day", "intrinsicValue": "itm", "strikesAway": 3},
            "SPY C +1 days in 3",
        ),
        ({"optionType": "call", "expiration": "+1 day", "strikesAway": -2}, "SPY C +1 days in 2"),
        ({"optionType": "call", "expiration": "+1 day", "strikesAway": 0}, "SPY C +1 days at the money"),
        ({"optionType": "put", "expiration": "+30 days", "strikePrice": "582.5"}, "SPY P +30 days 582.5"),
        ({"optionType": "both", "expiration": "2026-12-18"}, "SPY C 2026-12-18 at the money"),
    ],
)
def test_with_nothing_held_the_fields_make_a_rule(values: dict[str, Any], rule: str) -> None:
    assert str(meant(message(**values), []).rule) == rule


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Add optionType"),
        ({"optionType": "call"}, "Add expiration"),
        ({"optionType": "call", "expiration": "+1 week", "strikesAway": 21}, "at most 20"),
        ({"optionType": "call", "expiration": "+1 week", "strikesAway": 4, "strikeCount": 3}, "at most 3"),
        (
            {"optionType": "call", "expiration": "+1 week", "strikesAway": -1, "intrinsicValue": "otm"},
            "leave intrinsicValue out",
        ),
    ],
)
def test_what_is_lacking_is_said(values: dict[str, Any], said: str) -> None:
    rejection = refused(message(**values), [])
    assert rejection.code == "option-contract-needed"
    assert said in rejection.reason


@pytest.mark.parametrize("action", ["exit", "cancel", "reverse", "breakeven", "add"])
def test_what_reduces_or_adds_means_the_one_that_is_held(action: str) -> None:
    assert meant(message(action), held(CALL)).ticker == CALL
    assert refused(message(action), []).code == "no-option-held"


def test_of_several_the_kind_tells_and_else_a_name_is_asked_for() -> None:
    options = held(CALL, PUT)
    assert meant(message("exit", optionType="put"), options).ticker == PUT
    rejection = refused(message("exit"), options)
    assert rejection.code == "several-options-held"
    assert '{"ticker": "SPY 261218C640", "action": "exit"}' in rejection.reason
    assert meant(message("exit", expiration="2027-01-15"), held(CALL, OTHER)).ticker == OTHER
    assert meant(message("exit", strikePrice=640), held(CALL, OTHER)).ticker == CALL


def test_an_exit_finds_what_is_held_however_far_ahead_it_was_then() -> None:
    assert meant(message("exit", optionType="call", expiration="+1 week", strikesAway=2), held(OTHER)).ticker == OTHER


def test_a_flat_sentiment_is_a_way_out() -> None:
    sent = message("sell", sentiment="flat", optionType="call")
    assert meant(sent, held(CALL)).ticker == CALL
    assert refused(sent, []).code == "no-option-held"


def test_a_second_entry_means_the_contract_that_is_held_or_ordered() -> None:
    sent = message("buy", optionType="call", expiration="+1 week", strikesAway=2)
    assert meant(sent, held(OTHER)).ticker == OTHER
    assert meant(sent, held(OTHER, quantity=0, works=True)).ticker == OTHER
    # A put beside it says nothing about calls.
    assert meant(sent, held(PUT)).rule is not None


def test_both_buys_calls_when_bullish_and_puts_when_bearish() -> None:
    fields = {"optionType": "both", "expiration": "+1 week"}
    up, down = meant(message("buy", **fields), []), meant(message("sell", sentiment="bearish", **fields), [])
    assert (str(up.rule), up.message.action) == ("SPY C +1 weeks at the money", "buy")
    assert (str(down.rule), down.message.action, down.message.sentiment) == (
        "SPY P +1 weeks at the money",
        "buy",
        "bullish",
    )
    # The direction has chosen: nothing is inverted on top of it.
    assert (up.by_direction, down.by_direction) == (True, True)


def test_both_closes_the_other_side_first() -> None:
    down = meant(message("sell", optionType="both", expiration="+1 week"), held(CALL))
    assert (down.ticker, down.message.action) == (CALL, "exit")


def test_both_in_contradiction_with_its_sentiment_stays_one() -> None:
    odd = meant(message("sell", sentiment="bullish", optionType="both", expiration="+1 week"), [])
    assert (odd.message.action, odd.message.sentiment) == ("sell", "bullish")


TERMS = Terms(option_type=OptionType.PUT, option_expiration="+2 weeks", option_strikes_away=3)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({}, "SPY P +2 weeks out 3"),
        ({"optionType": "call"}, "SPY C +2 weeks out 3"),
        ({"expiration": "2026-12-18"}, "SPY P 2026-12-18 out 3"),
        ({"strikesAway": 0}, "SPY P +2 weeks at the money"),
        ({"strikePrice": 610}, "SPY P +2 weeks 610"),
        ({"intrinsicValue": "itm"}, "SPY P +2 weeks in 1"),
    ],
)
def test_the_terms_say_what_the_signal_leaves_open(values: dict[str, Any], rule: str) -> None:
    assert str(meant(message(**values), [], TERMS).rule) == rule


def test_terms_that_say_it_all_leave_names_and_ways_out_alone() -> None:
    for sent in (message("exit"), message("sell", sentiment="flat"), message(ticker=CALL), message("add")):
        assert with_defaults(sent, TERMS) is sent
    assert with_defaults(message(), Terms()).option == message().option


def test_calls_when_bullish_and_puts_when_bearish_may_stand_in_the_terms() -> None:
    terms = replace(TERMS, option_type=OptionType.BOTH)
    assert str(meant(message("buy"), [], terms).rule) == "SPY C +2 weeks out 3"
    assert str(meant(message("sell"), [], terms).rule) == "SPY P +2 weeks out 3"


@pytest.mark.parametrize(
    "terms",
    [
        Terms(option_type=OptionType.CALL, option_expiration="2027-01-15"),
        Terms(option_type=OptionType.PUT, option_expiration="+2 weeks"),
        Terms(option_type=OptionType.BOTH, option_expiration="2027-01-15"),
    ],
)
def test_terms_that_have_changed_turn_no_closing_sale_into_an_opening(terms: Terms) -> None:
    closing = meant(message("sell"), held(CALL, quantity=2), terms)
    assert (closing.ticker, closing.message.action, closing.rule) == (CALL, "exit", None)
    # An entry goes by the terms as they are now.
    assert meant(message("buy"), held(CALL), terms).rule is not None


def test_a_sale_without_a_sentiment_names_none_of_several_that_it_may_close() -> None:
    sent = message("sell", optionType="call", expiration="+1 week")
    assert refused(sent, held(CALL, OTHER)).code == "several-options-held"
    assert refused(sent, held(CALL) + held(OTHER, quantity=-1)).code == "several-options-held"


ENTRY = {"optionType": "call", "expiration": "+1 week", "strikesAway": 2}


@pytest.mark.parametrize(
    ("action", "values", "quantity"),
    [
        ("buy", ENTRY, -1),
        ("buy", {**ENTRY, "sentiment": "bullish"}, -1),
        ("buy", {**ENTRY, "targetQuantity": 2}, -1),
        ("buy", {**ENTRY, "optionType": "both"}, -1),
        ("sell", {**ENTRY, "sentiment": "bearish"}, 1),
        ("sell", {**ENTRY, "targetQuantity": -2}, 1),
    ],
)
def test_an_entry_closes_nothing_that_is_held_the_other_way(action: str, values: dict[str, Any], quantity: int) -> None:
    rejection = refused(message(action, **values), held(CALL, quantity=quantity))
    assert rejection.code == "option-held-other-way"
    assert '{"ticker": "SPY 261218C640", "action": "exit"}' in rejection.reason
    # Beside one that is held on its own side it means that one.
    own = held(OTHER, quantity=-quantity)
    assert meant(message(action, **values), held(CALL, quantity=quantity) + own).ticker == OTHER


def test_a_signal_that_leaves_its_side_as_it_is_makes_what_is_held_smaller() -> None:
    assert meant(message("buy", sentiment="bearish", **ENTRY), held(CALL, quantity=-2)).ticker == CALL
    assert meant(message("sell", sentiment="bullish", **ENTRY), held(CALL, quantity=2)).message.action == "sell"
    assert meant(message("sell", targetQuantity=1, **ENTRY), held(CALL, quantity=3)).ticker == CALL


def test_an_inverted_put_is_bought_back_by_no_sale() -> None:
    sent = message("sell", optionType="put", expiration="+1 week")
    assert refused(sent, held(PUT, quantity=-1), Terms(invert_puts=True)).code == "option-held-other-way"
    assert meant(sent, held(PUT, quantity=-1)).ticker == PUT


@pytest.mark.parametrize(
    ("said", "wrong"),
    [("+1 week", []), ("2026-12-18", []), ("soon", ["option_expiration"]), ("+1", ["option_expiration"])],
)
def test_an_expiration_that_is_none_is_no_setting(said: str, wrong: list[str]) -> None:
    assert [name for name, _ in contradictions(Terms(option_expiration=said))] == wrong


@pytest.mark.parametrize("name", ["SPX 261217C6400", "SPX 261218C6400"], ids=["own name", "as IBKR lists it"])
def test_an_index_option_is_found_by_its_last_day_under_either_name(name: str) -> None:
    leaving = message("exit", ticker="SPX", optionType="call", expiration="2026-12-17")
    assert meant(leaving, held(name)).ticker == name
    adding = message("buy", ticker="SPX", optionType="call", expiration="2026-12-17")
    assert meant(adding, held(name)).ticker == name
    other = message("exit", ticker="SPX", optionType="call", expiration="2026-12-24")
    assert refused(other, held(name)).code == "no-option-held"


BEFORE, SINCE, CHANGED = "SPY 261218C640", "SPY 261218C160", "SPY1 261218C640"


def test_a_way_out_finds_what_an_option_became_by_its_strike_of_before() -> None:
    now = [Held(ticker=SINCE, quantity=Decimal(4), before=(BEFORE,))]
    for strike in (640, 160):
        assert meant(message("exit", optionType="call", strikePrice=strike), now).ticker == SINCE
    assert refused(message("exit", strikePrice=165), now).code == "no-option-held"
    # With a contract of that strike beside it nothing is guessed.
    both = [*now, *held(BEFORE)]
    assert refused(message("exit", optionType="call", strikePrice=640), both).code == "several-options-held"
    # A sale that closes means it too, and a purchase means the strike of now.
    assert meant(message("sell", optionType="call", expiration="+1 week", strikePrice=640), now).ticker == SINCE
    bought = meant(message("buy", optionType="call", expiration="+1 week", strikePrice=640), now)
    assert (bought.ticker, str(bought.rule)) == ("", "SPY C +1 weeks 640")


@pytest.mark.parametrize("kind", ["call", "both"])
def test_a_class_that_a_split_has_changed_is_left_and_never_added_to(kind: str) -> None:
    changed = [Held(ticker=CHANGED, quantity=Decimal(3), before=(BEFORE,))]
    assert meant(message("exit", optionType="call"), changed).ticker == CHANGED
    assert meant(message("exit", strikePrice=640), changed).ticker == CHANGED
    entry = meant(message("buy", optionType=kind, expiration="+1 week", strikesAway=1), changed)
    assert (entry.ticker, str(entry.rule)) == ("", "SPY C +1 weeks out 1")
    # Beside a usual one the kind does not tell, and a name is asked for.
    assert refused(message("exit", optionType="call"), [*changed, *held(CALL)]).code == "several-options-held"


def since(quantity: int, ticker: str = SINCE) -> Since:
    return Since(ticker=ticker, quantity=Decimal(quantity))


@pytest.mark.parametrize(
    ("values", "held_now", "found"),
    [
        ({"action": "exit"}, since(4), SINCE),
        ({"action": "cancel"}, since(-4), SINCE),
        ({"action": "sell"}, since(4), SINCE),
        ({"action": "sell", "sentiment": "flat"}, since(4), SINCE),
        ({"action": "buy", "targetQuantity": 0}, since(4), SINCE),
        ({"action": "buy"}, since(-4), SINCE),
        ({"action": "exit"}, since(3, CHANGED), CHANGED),
        ({"action": "exit"}, since(0), None),
        ({"action": "buy"}, since(0), None),
        ({"action": "buy"}, since(4), "option-renamed"),
        ({"action": "sell"}, since(-4), "option-renamed"),
        ({"action": "add"}, since(4), "option-renamed"),
        ({"action": "reverse"}, since(4), "option-renamed"),
    ],
)
def test_a_name_of_before_means_what_is_held_now_where_it_makes_that_smaller(
    values: dict[str, Any], held_now: Since, found: str | None
) -> None:
    told = option_meant_now(message(ticker=BEFORE, **values), held_now, invert_puts=False)
    assert (told.code if isinstance(told, Rejection) else told) == found
