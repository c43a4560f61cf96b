"""What an option became by a split of its share, told by names, sizes and averages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brokers.domain.actions.options import Listed, became, delivered, pairs
from brokers.domain.actions.reading import ONE_FOR_ONE, Held, Plain, Ratio, read
from brokers.domain.contracts.options import OptionName, alike, named
from brokers.rulebook.splits import split_option

D = Decimal
QUICK = settings(max_examples=120, deadline=None)
strikes = st.integers(min_value=10, max_value=400_000).map(lambda half: D(half) / 20)
signed = st.integers(min_value=1, max_value=500).flatmap(lambda size: st.sampled_from([D(size), D(-size)]))
premiums = st.integers(min_value=10, max_value=20_000).map(lambda cents: D(cents) / 100)
rights = st.sampled_from(["C", "P"])


def option(strike: Decimal | int | str, series: str = "", right: str = "C", underlying: str = "AAPL") -> OptionName:
    return OptionName(underlying=underlying, expiry=date(2026, 12, 18), right=right, strike=D(strike), series=series)


def listed(name: OptionName, quantity: Decimal | int, average: str = "8", currency: str = "USD") -> Listed:
    return Listed(name=name, currency=currency, held=Held(quantity=D(quantity), average=D(average)))


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        (option(640), option(160), Ratio(new=4, old=1)),
        # To the cent.
        (option(1100), option("366.67"), Ratio(new=3, old=1)),
        (option(320), option(320, "1"), ONE_FOR_ONE),
        (option(320, "1"), option(320, "2"), ONE_FOR_ONE),
        (option(320, "1"), option(160, "1"), Ratio(new=2, old=1)),
        # On BRK.B, whose options lists name BRKB.
        (option(500, underlying="BRK.B"), option(250, underlying="BRKB"), Ratio(new=2, old=1)),
        (option(640), option(161), None),
        (option(640), option(1280), None),
        (option(640), option(640), None),
        (option(320), option(160, "1"), None),
        (option(320, "1"), option(320), None),
        (option(640), option(160, right="P"), None),
        (option(640), option(160, underlying="MSFT"), None),
    ],
)
def test_names_tell_what_an_option_may_have_become(before: OptionName, after: OptionName, ratio: Ratio | None) -> None:
    assert became(before, after) == ratio


@QUICK
@given(strikes, signed, premiums, st.integers(min_value=2, max_value=20), rights)
def test_a_whole_split_is_read_from_what_the_rulebook_makes_of_an_option(
    strike: Decimal, quantity: Decimal, premium: Decimal, times: int, right: str
) -> None:
    after = split_option(strike, D(100), new=times, old=1)
    assume(after.strike >= D("0.5"))
    was, now = option(strike, right=right), option(after.strike, right=right)
    ratio = became(was, now)
    # Of a strike of a few cents the next ratio has the same.
    assert ratio is not None
    assert split_option(strike, D(100), new=ratio.new, old=1).strike == after.strike
    held = Held(quantity=quantity * times, average=(premium / times).quantize(D("0.00000001")))
    seen = read(Held(quantity=quantity, average=premium), held, renumbered=True)
    assert seen == Plain(ratio=Ratio(new=times, old=1))
    assert abs(held.quantity * (held.average or 0) - quantity * premium) < D("0.001")


@QUICK
@given(
    st.lists(strikes, min_size=1, max_size=4, unique=True),
    st.integers(min_value=2, max_value=12),
    st.lists(signed, min_size=4, max_size=4),
)
def test_of_several_options_each_finds_its_own(strikes: list[Decimal], times: int, sizes: list[Decimal]) -> None:
    divided = [split_option(each, D(100), new=times, old=1).strike for each in strikes]
    assume(len(set(divided)) == len(divided))
    assume(all(each >= 1 for each in divided))
    before = {n: listed(option(each), sizes[n]) for n, each in enumerate(strikes)}
    after = {100 + n: listed(option(each), sizes[n] * times) for n, each in enumerate(divided)}
    told = list(pairs(before, after))
    assert told == [(n, 100 + n, Ratio(new=times, old=1)) for n in range(len(strikes))]


def test_both_strikes_at_once_are_told_by_the_one_ratio_that_has_all_of_them() -> None:
    # 4 may be half of 8, and the quarter of 16.
    before = {1: listed(option(8), 1), 2: listed(option(16), 3), 3: listed(option(10, underlying="MSFT"), 1)}
    after = {11: listed(option(4), 2), 12: listed(option(8), 6), 13: listed(option(10, "1", underlying="MSFT"), 1)}
    half = Ratio(new=2, old=1)
    assert list(pairs(before, after)) == [(1, 11, half), (2, 12, half), (3, 13, ONE_FOR_ONE)]


def test_what_comes_in_another_currency_or_on_the_other_side_is_another_holding() -> None:
    before = {1: listed(option(640), 1)}
    assert not list(pairs(before, {2: listed(option(160), 4, currency="EUR"), 3: listed(option(160), -4)}))


def test_of_two_of_the_same_terms_that_of_the_size_is_taken_and_else_none() -> None:
    before = {1: listed(option(320), 3)}
    after = {2: listed(option(320, "1"), 3), 3: listed(option(320, "2"), 5)}
    assert list(pairs(before, after)) == [(1, 2, ONE_FOR_ONE)]
    after[3] = listed(option(320, "2"), 3)
    assert not list(pairs(before, after))


@pytest.mark.parametrize(
    ("ratios", "shares"),
    [
        ([Ratio(new=3, old=2)], D(150)),
        ([Ratio(new=1, old=10)], D(10)),
        # By a whole split there are more contracts, of as many shares.
        ([Ratio(new=3, old=2), Ratio(new=2, old=1)], D(150)),
        ([Ratio(new=3, old=2), Ratio(new=1, old=5)], D(30)),
        ([], None),
    ],
)
def test_what_a_contract_delivers_follows_from_the_splits_of_its_share(
    ratios: list[Ratio], shares: Decimal | None
) -> None:
    assert delivered(ratios) == shares


def test_a_class_that_a_split_has_changed_is_read_and_spelled() -> None:
    name = named("AAPL1 261218C320")
    assert name is not None
    assert (name.underlying, name.series, name.root, str(name)) == ("AAPL", "1", "AAPL", "AAPL1 261218C320")
    assert name.spoken == "AAPL1 18 Dec 2026 320 C"
    assert alike("BRK.B1 261218C320") == "BRKB1 261218C320"
    assert named("AAPL0 261218C320") is None
    assert named("SPX1 261218C6400") is None
    on_future = named("ESZ2026 261211C6400")
    assert on_future is not None
    assert (on_future.future, on_future.series) == ("ESZ2026", "")
