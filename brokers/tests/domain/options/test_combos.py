"""Verticals and calendars: named, numbered, turned so that they are worth something, and what they can lose."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from brokers.domain.contracts.combos import (
    MOST,
    ComboName,
    NotACombo,
    at_risk,
    combo_named,
    combo_of,
    held,
    legs_of,
    number_of,
)
from brokers.domain.contracts.options import OptionName, named
from brokers.domain.orders import Side

D = Decimal
DAY = date(2026, 12, 18)


def option(text: str) -> OptionName:
    name = named(text)
    assert name is not None
    return name


def any_option(chance: random.Random, underlying: str = "SPY") -> OptionName:
    return OptionName(
        underlying=underlying,
        expiry=DAY + timedelta(weeks=chance.randrange(4)),
        right=chance.choice("CP"),
        strike=D(chance.randrange(1, 40)) / 2,
    )


def combos(count: int = 300) -> list[tuple[OptionName, OptionName, ComboName, bool]]:
    """Options of a small chain, two by two, as far as they make a combo."""
    chance = random.Random(26)
    found: list[tuple[OptionName, OptionName, ComboName, bool]] = []
    while len(found) < count:
        one, other = any_option(chance), any_option(chance)
        try:
            name, turned = combo_of(one, other)
        except NotACombo:
            continue
        found.append((one, other, name, turned))
    return found


@pytest.mark.parametrize(
    ("bought", "sold", "name", "turned", "spoken"),
    [
        ("SPY 261218C640", "SPY 261218C650", "SPY 261218C640/650", False, "SPY 18 Dec 2026 640/650 call spread"),
        ("SPY 261218C650", "SPY 261218C640", "SPY 261218C640/650", True, "SPY 18 Dec 2026 640/650 call spread"),
        ("SPY 261218P650", "SPY 261218P640", "SPY 261218P650/640", False, "SPY 18 Dec 2026 650/640 put spread"),
        ("BRK.B 261218P500", "BRK.B 261218P502.5", "BRK.B 261218P502.5/500", True, "BRK.B 18 Dec 2026 502.5/500 put spread"),
        ("SPY 270115C640", "SPY 261218C640", "SPY 270115/261218C640", False, "SPY 640 call calendar 15 Jan 2027/18 Dec 2026"),
        ("SPY 261218P640", "SPY 270115P640", "SPY 270115/261218P640", True, "SPY 640 put calendar 15 Jan 2027/18 Dec 2026"),
    ],
)  # fmt: skip
def test_two_options_make_one_combo_whichever_is_bought(
    bought: str, sold: str, name: str, turned: bool, spoken: str
) -> None:
    combo, is_turned = combo_of(option(bought), option(sold))
    assert (str(combo), is_turned, combo.spoken) == (name, turned, spoken)


@pytest.mark.parametrize(
    ("bought", "sold", "code"),
    [
        ("SPY 261218C640", "QQQ 261218C650", "legs-of-two-underlyings"),
        ("SPX 261217C6400", "SPXW 261217C6500", "legs-of-two-underlyings"),
        ("SPY 261218C640", "SPY 261218C640", "legs-are-equal"),
        ("SPY 261218C640", "SPY 261218P640", "legs-make-no-combo"),
        ("SPY 261218C640", "SPY 270115C650", "legs-make-no-combo"),
    ],
)
def test_what_makes_no_combo_says_why(bought: str, sold: str, code: str) -> None:
    with pytest.raises(NotACombo) as refused:
        combo_of(option(bought), option(sold))
    assert refused.value.code == code


def test_a_name_is_read_back_as_the_combo_it_names() -> None:
    for one, other, name, turned in combos():
        assert combo_named(str(name)) == name
        assert named(str(name)) is None
        assert combo_of(other, one) == (name, not turned)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SPY",
        "SPY 261218C640",
        "SPY 261218C650/640",
        "SPY 261218P640/650",
        "SPY 261218C640/640",
        "SPY 261218/270115C640",
        "SPY 261318C640/650",
        "SPY 261218C0640/650",
        "SPY 261218C640/650/660",
    ],
)
def test_what_names_no_combo_or_not_as_it_goes_is_none(text: str) -> None:
    assert combo_named(text) is None


def test_a_combo_has_a_number_of_its_own_below_zero() -> None:
    chance = random.Random(7)
    pairs = {(chance.randrange(1, MOST + 1), chance.randrange(1, MOST + 1)) for _ in range(500)} | {
        (MOST, MOST),
        (1, 1),
    }
    numbers = {number_of(*pair): pair for pair in pairs}
    assert len(numbers) == len(pairs)
    for number, pair in numbers.items():
        assert -(2**63) <= number < 0
        assert legs_of(number) == pair
    assert legs_of(265598) is None
    for wrong in ((0, 1), (1, 0), (-1, 1), (MOST + 1, 1)):
        with pytest.raises(ValueError, match="none of IBKR's"):
            number_of(*wrong)


def payoff(option: OptionName, price: Decimal) -> Decimal:
    intrinsic = price - option.strike if option.right == "C" else option.strike - price
    return max(intrinsic, D(0))


def test_nothing_that_a_vertical_comes_to_loses_more_than_its_risk() -> None:
    chance = random.Random(11)
    for _, _, name, _ in combos():
        if name.width is None:
            continue
        net = name.width * D(chance.randrange(0, 101)) / 100
        results = []
        for price in [D(each) / 4 for each in range(0, 120)]:
            worth = payoff(name.long, price) - payoff(name.short, price)
            assert 0 <= worth <= name.width
            results.append(worth - net)
        # Reached, and never passed, on either side; both together are the width.
        buyer, seller = at_risk(name, Side.BUY, net), at_risk(name, Side.SELL, net)
        assert buyer is not None
        assert seller is not None
        assert min(results) == -buyer
        assert max(results) == seller
        assert buyer + seller == name.width


def test_a_calendar_loses_its_debit_and_a_sold_one_nobody_knows_what() -> None:
    name = combo_named("SPY 270115/261218C640")
    assert name is not None
    assert at_risk(name, Side.BUY, D("2.5")) == D("2.5")
    assert at_risk(name, Side.SELL, D("2.5")) is None


def test_a_holding_makes_no_more_combos_than_there_are_of_either_leg() -> None:
    for long in range(-4, 5):
        for short in range(-4, 5):
            combos_held = held(D(long), D(short))
            assert abs(combos_held) <= min(abs(long), abs(short))
            if combos_held:
                assert combos_held * long > 0
                assert combos_held * short < 0
            # What stays behind is no further combo.
            assert held(D(long) - combos_held, D(short) + combos_held) == 0
