"""Which option of before a split is which of now: bounded however long a gateway's list is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.actions import options
from brokers.domain.actions.reading import Held, Ratio
from brokers.domain.contracts.options import OptionName, named

D = Decimal
FOUR = Ratio(new=4, old=1)


def test_a_list_as_long_as_a_gateway_likes_is_paired_in_no_time_of_its_square() -> None:
    """Each option of before was held against each of now."""
    asked = []
    now = options.became

    def counted(before: OptionName, after: OptionName) -> Ratio | None:
        asked.append(1)
        return now(before, after)

    def listed(name: str, quantity: int) -> options.Listed:
        option = named(name)
        assert option is not None
        return options.Listed(name=option, currency="USD", held=Held(quantity=D(quantity), average=None))

    before = {n: listed(f"AAPL {260101 + n % 28:06d}C{640 + 4 * (n // 28)}", 1) for n in range(2_000)}
    after = {n + 5_000: listed(f"AAPL {260101 + n % 28:06d}C{160 + n // 28}", 4) for n in range(2_000)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "became", counted)
        found = list(options.pairs(before, after))
    assert len(found) == options.MOST_PAIRED
    assert all(ratio == FOUR and other == was + 5_000 for was, other, ratio in found)
    assert len(asked) < 50_000


def test_a_name_that_a_gateway_gives_to_any_number_of_contracts_is_paired_with_none() -> None:
    """Each of before was held against each of them."""
    old, new = named("AAPL 261218C640"), named("AAPL 261218C160")
    assert old is not None
    assert new is not None
    was = options.Listed(name=old, currency="USD", held=Held(quantity=D(1), average=None))
    now = options.Listed(name=new, currency="USD", held=Held(quantity=D(4), average=None))
    before = dict.fromkeys(range(options.MOST_PAIRED), was)
    asked = []

    def counted(before: OptionName, after: OptionName) -> Ratio | None:
        asked.append(1)
        return FOUR

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "became", counted)
        assert not list(options.pairs(before, dict.fromkeys(range(5_000, 15_000), now)))
        assert not asked
        assert list(options.pairs({1: was}, {5_000: now})) == [(1, 5_000, FOUR)]


@pytest.mark.parametrize(
    ("number", "ticker", "listed", "other"),
    [
        (10, "AAPL 261218C640", {10: "AAPL 261218C160"}, "AAPL 261218C160"),
        (10, "AAPL 261218C640", {10: "AAPL1 261218C640"}, "AAPL1 261218C640"),
        (10, "AAPL 261218C640", {10: "AAPL 261218C640"}, None),
        # Its own spelling, or that of another class, is none that a split makes.
        (10, "SPX 261218C6400", {10: "SPXW 261218C6400"}, None),
        (10, "AAPL 261218C640", {10: ""}, None),
        (10, "AAPL 261218C640", {11: "AAPL 261218C160"}, None),
        (-(10 << 31 | 20), "AAPL 261218C640/660", {20: "AAPL 261218C165"}, "AAPL 261218C165"),
        (-(10 << 31 | 20), "AAPL 261218C640/660", {10: "AAPL 261218C640", 20: "AAPL 261218C660"}, None),
        (10, "AAPL", {10: "AAPL 261218C160"}, None),
    ],
)
def test_a_name_that_a_split_makes_is_told_from_others(
    number: int, ticker: str, listed: dict[int, str], other: str | None
) -> None:
    assert options.called_otherwise(number, ticker, listed) == other
