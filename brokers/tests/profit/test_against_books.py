"""Our trades against the books of the simulated broker: the same history, the same money, to the cent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings

from brokers.domain.profit.days import by_day
from brokers.domain.profit.facts import as_corrected
from brokers.domain.profit.trades import trades
from brokers.tests.profit.histories import History, booked, histories, position_of
from config.tests.samples import samples

D = Decimal
LESS_THAN_HALF_A_CENT = D("0.005")


def same(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) < LESS_THAN_HALF_A_CENT


@settings(max_examples=samples(1_000))
@given(histories())
def test_realized_profit_is_that_of_the_broker(history: History) -> None:
    account, contract = booked(history, "NZD")

    ours = trades(history.reports, history.splits, multiplier=contract.multiplier)

    at_home = sum((each.realized_at_home or D(0) for each in ours), D(0))
    assert same(at_home, sum((each.realized for each in account.positions.values()), D(0)))
    held = position_of(account, contract)
    assert sum((each.left * each.side.sign for each in ours), D(0)) == held.quantity
    assert sum(each.closed_at is None for each in ours) == bool(held.quantity)
    for each in ours:
        if each.average is not None:
            assert abs(each.average - held.average_price) < D("0.000001")
            assert same(
                each.unrealized(D(77), contract.multiplier) or D(0),
                held.quantity * (D(77) - held.average_price) * contract.multiplier,
            )


@settings(max_examples=samples(1_000))
@given(histories(owners=3))
def test_what_several_owners_made_is_what_the_account_made(history: History) -> None:
    """Owners hold beside each other what the broker nets, so only the sum of both profits is one; without fractions."""
    whole = replace(history, splits=())
    fills = [replace(each, conid=history.contract.conid) for each in whole.reports]
    whole = replace(whole, reports=tuple(fills))
    account, contract = booked(whole, history.contract.currency)
    held = position_of(account, contract)
    multiplier, mark = contract.multiplier, D("123.45")

    ours = trades(whole.reports, multiplier=multiplier)

    gained = sum(((each.realized or D(0)) + (each.unrealized(mark, multiplier) or D(0)) for each in ours), D(0))
    assert same(gained, held.realized + held.quantity * (mark - held.average_price) * multiplier)
    assert sum((each.left * each.side.sign for each in ours), D(0)) == held.quantity
    fees = sum((each.fee or D(0) for each in as_corrected(whole.reports)), D(0))
    assert sum((each.fees for each in ours), D(0)) == fees
    # Each unit of each fill is in one trade, and in one alone.
    dealt = sum((part.units for each in ours for part in each.parts), D(0))
    assert dealt == sum((abs(each.quantity) for each in as_corrected(whole.reports)), D(0))


@settings(max_examples=samples(300))
@given(histories(owners=3))
def test_days_add_up_to_trades(history: History) -> None:
    ours = trades(history.reports, history.splits, multiplier=history.contract.multiplier)

    days = by_day(ours)

    assert sum((day.realized for day in days), D(0)) == sum((each.realized or D(0) for each in ours), D(0))
    assert sum((day.fees for day in days), D(0)) == sum((each.fees for each in ours), D(0))
    assert [day.day for day in days] == sorted(day.day for day in days)
    assert len({(day.owner, day.day) for day in days}) == len(days)


@settings(max_examples=samples(300))
@given(histories(owners=2))
def test_the_order_in_which_news_comes_changes_nothing(history: History) -> None:
    """Corrections may come before what they correct, and a late fill after everything."""
    ours = trades(history.reports, history.splits)

    assert trades(tuple(reversed(history.reports)), tuple(reversed(history.splits))) == ours
