"""Which changes of what is held are splits, by size, average and fills alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brokers.domain.actions import names
from brokers.domain.actions.reading import (
    ONE_FOR_ONE,
    Dealt,
    Doubtful,
    Held,
    Plain,
    Ratio,
    fits,
    in_a_row,
    may_have_been_flat,
    read,
)

D = Decimal


def held(quantity: str, average: str | None) -> Held:
    return Held(quantity=D(quantity), average=None if average is None else D(average))


def dealt(signed: str, price: str) -> Dealt:
    return Dealt(signed=D(signed), price=D(price))


@pytest.mark.parametrize(
    ("before", "after", "ratio", "fraction"),
    [
        (("100", "200"), ("400", "50"), (4, 1), "0"),
        (("100", "200"), ("2000", "10"), (20, 1), "0"),
        (("90", "100"), ("135", "66.6667"), (3, 2), "0"),
        (("100", "100"), ("105", "95.2381"), (21, 20), "0"),
        (("1000", "2"), ("100", "20"), (1, 10), "0"),
        (("105", "4"), ("10", "40"), (1, 10), "0.5"),
        (("1003", "1.2345"), ("20", "61.725"), (1, 50), "0.06"),
        (("5", "30"), ("7", "20"), (3, 2), "0.5"),
        (("-30", "90"), ("-10", "270"), (1, 3), "0"),
        (("-105", "4"), ("-10", "40"), (1, 10), "-0.5"),
        # An average that carries a fee and was rounded.
        (("7", "201.0143"), ("28", "50.2536"), (4, 1), "0"),
    ],
)
def test_size_and_average_that_change_by_one_ratio_are_a_split(
    before: tuple[str, str], after: tuple[str, str], ratio: tuple[int, int], fraction: str
) -> None:
    expected = Plain(ratio=Ratio(new=ratio[0], old=ratio[1]), fraction=D(fraction))
    assert read(held(*before), held(*after)) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Somebody bought three times as much at the same price, and the fill is on its way.
        (("100", "200"), ("400", "200")),
        # Or at a lower one.
        (("100", "200"), ("400", "80")),
        # Somebody sold.
        (("400", "50"), ("100", "50")),
        # Shares came without a cost that is known.
        (("100", "200"), ("400", None)),
        (("100", None), ("400", "50")),
        # A share was bought beside a thousand: the cost is about the same.
        (("1000", "5"), ("1001", "5.0001")),
        # From long to short.
        (("100", "200"), ("-400", "50")),
    ],
)
def test_what_a_fill_or_a_transfer_may_have_done_is_no_split(
    before: tuple[str, str | None], after: tuple[str, str | None]
) -> None:
    assert read(held(*before), held(*after)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The cost is as it was, and no company announces 373 for 100.
        (("100", "200"), ("373", "53.6193")),
        # 139 for 100.
        (("100", "200"), ("139", "143.8849")),
    ],
)
def test_a_ratio_that_is_not_plain_is_a_persons_to_name(before: tuple[str, str], after: tuple[str, str]) -> None:
    assert isinstance(read(held(*before), held(*after)), Doubtful)


@pytest.mark.parametrize(
    ("fills", "after"),
    [
        # Sold after the split.
        ([("-100", "51")], ("300", "50")),
        # Sold before it.
        ([("-25", "204")], ("300", "50")),
        # The one before it, the other after it.
        ([("-50", "204"), ("-50", "51")], ("150", "50")),
        # Bought after it, by a size that no announced ratio would make of both.
        ([("70", "60")], ("470", "51.4894")),
        # The list of positions does not have the last fill yet.
        ([("-100", "51")], ("400", "50")),
    ],
)
def test_fills_of_the_same_day_do_not_hide_it(fills: list[tuple[str, str]], after: tuple[str, str]) -> None:
    seen = read(held("100", "200"), held(*after), [dealt(*fill) for fill in fills])
    assert isinstance(seen, Plain)
    assert seen.ratio == Ratio(new=4, old=1)


def test_how_many_fills_came_before_it_is_told() -> None:
    """Two of three: where it may have been at several places, the first is named."""
    fills = [dealt("-10", "204"), dealt("-10", "205"), dealt("-100", "51")]
    assert read(held("100", "200"), held("220", "50"), fills) == Plain(ratio=Ratio(new=4, old=1), place=2)


def test_a_purchase_that_may_have_been_before_it_or_after_it_is_a_persons_to_place() -> None:
    """400 and 100 bought behind it, or 200 and a split of 5 for 2: both come to 500 at the same cost."""
    seen = read(held("100", "200"), held("500", "52"), [dealt("100", "60")])
    assert seen == Doubtful(ratios=(Ratio(new=4, old=1), Ratio(new=5, old=2)))


def test_another_number_alone_is_one_for_one() -> None:
    assert read(held("100", "200"), held("100", "200"), renumbered=True) == Plain(ratio=ONE_FOR_ONE)
    assert read(held("100", "200"), held("100", "200")) is None


def test_another_number_with_another_size_is_asked_about_where_the_averages_do_not_say() -> None:
    assert read(held("100", None), held("10", None), renumbered=True) == Doubtful()
    assert read(held("100", "2"), held("10", "20"), renumbered=True) == Plain(ratio=Ratio(new=1, old=10))
    assert read(held("100", "2"), held("10", "2"), renumbered=True) == Doubtful()


def test_a_missing_average_is_never_one_for_one() -> None:
    assert read(held("100", None), held("100", "200"), renumbered=True) == Doubtful()


@given(
    quantity=st.integers(2, 2_000),
    sold=st.integers(1, 1_999),
    cents=st.integers(1, 100_000),
    told=st.booleans(),
)
def test_no_sale_is_asked_about(quantity: int, sold: int, cents: int, *, told: bool) -> None:
    """Whether its fill was told or not: what is left costs as much a share as before."""
    assume(sold < quantity)
    before, after = (Held(quantity=D(n), average=D(cents) / 100) for n in (quantity, quantity - sold))
    assert read(before, after, [Dealt(signed=D(-sold), price=D(cents) / 90)] if told else []) is None


def test_a_ratio_that_a_person_names_has_to_fit() -> None:
    before, after = held("100", "200"), held("373", "53.6193")
    assert fits(Ratio(new=373, old=100), before, after)
    assert not fits(Ratio(new=100, old=373), before, after)
    assert fits(Ratio(new=4, old=1), held("100", "200"), held("300", "50"), [dealt("-100", "51")])


announced = st.one_of(
    st.integers(2, 100).map(lambda n: Ratio(new=n, old=1)),
    st.integers(2, 100).map(lambda n: Ratio(new=1, old=n)),
    st.sampled_from([Ratio(new=3, old=2), Ratio(new=5, old=4), Ratio(new=7, old=10), Ratio(new=21, old=20)]),
)


@given(quantity=st.integers(1, 100_000), cents=st.integers(100, 100_000), ratio=announced)
def test_no_split_is_read_as_another_one(quantity: int, cents: int, ratio: Ratio) -> None:
    before = Held(quantity=D(quantity), average=D(cents) / 100)
    after = Held(quantity=ratio.whole(before.quantity), average=(D(cents) / 100 * ratio.factor).quantize(D("0.0001")))
    assume(after.quantity > 0)
    seen = read(before, after)
    assert isinstance(seen, Doubtful) or seen == Plain(
        ratio=ratio, fraction=ratio.exact(before.quantity) - after.quantity
    )


@given(
    quantity=st.integers(1, 10_000),
    cents=st.integers(100, 100_000),
    bought=st.integers(1, 100_000),
    moved=st.integers(50, 200),
)
def test_no_purchase_near_the_market_is_read_as_a_split(quantity: int, cents: int, bought: int, moved: int) -> None:
    """Within half and twice the average price, whatever the size."""
    average, price = D(cents) / 100, D(cents) * moved / 10_000
    total = D(quantity + bought)
    assume(total > quantity * D("1.05"))
    after = Held(quantity=total, average=(quantity * average + bought * price) / total)
    assert read(Held(quantity=D(quantity), average=average), after) is None


def test_splits_in_a_row_are_one() -> None:
    assert in_a_row([Ratio(new=4, old=1), Ratio(new=1, old=2)]) == Ratio(new=2, old=1)
    assert in_a_row([]) == ONE_FOR_ONE


@pytest.mark.parametrize(
    ("quantity", "told", "untold", "flat"),
    [
        ("100", [], [], False),
        ("100", ["-60"], [], False),
        ("100", ["-100"], [], True),
        ("-100", ["100"], [], True),
        # In any order of the fills, and in parts.
        ("100", ["83", "-60", "-40"], [], True),
        # A stop that was sent meanwhile closes at most; a new entry beside it may have opened again.
        ("100", [], ["-100"], False),
        ("100", [], ["-100", "83"], True),
        ("100", ["83"], ["-100"], True),
        ("100", ["-60"], ["-40", "83"], True),
        ("100", [], ["-60", "83"], False),
    ],
)
def test_whether_nothing_may_have_been_held_for_a_moment(
    quantity: str, told: list[str], untold: list[str], *, flat: bool
) -> None:
    assert may_have_been_flat(D(quantity), [D(n) for n in told], [D(n) for n in untold]) is flat


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("LSE:VOD", "VOD", True),
        ("LSE:BP.", "BP", True),
        ("OMXSTO:VOLV_B", "VOLV B", True),
        ("BRK.B", "BRK.B", True),
        ("XETR:SAP", "FWB:SAP", False),
        ("LSE:VOD", "BT.A", False),
        ("", "", False),
    ],
)
def test_names_of_one_share_with_its_exchange_and_without_it(one: str, other: str, *, same: bool) -> None:
    assert names.are_one(one, other) is same
    assert names.are_one(other, one) is same
