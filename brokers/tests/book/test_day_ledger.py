"""What a trading day has brought: from the positions it opened with, its fills, and what is held now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Team
from brokers.book import day_ledger, holdings
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.dayresult import Day, DayResult, Fill, Held, added, result
from brokers.models import BrokerageAccount, ExchangeRate, OpeningPosition, Position
from brokers.tests import rows

D = Decimal


def held(quantity: Any, price: Any, conid: int = 1, ticker: str = "AAPL", currency: str = "USD") -> Held:
    return Held(
        conid=conid, ticker=ticker, quantity=D(quantity), price=None if price is None else D(price), currency=currency
    )


def fill(quantity: Any, price: Any, conid: int = 1, **values: Any) -> Fill:
    return Fill(
        **{"conid": conid, "ticker": "AAPL", "quantity": D(quantity), "price": D(price), "currency": "USD", **values}
    )


def day(**values: Any) -> Day:
    return Day(**{"currency": "USD", "multipliers": {1: D(1), 2: D(2)}, "rates": {}, **values})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0),
        # What was held and still is: what its price did.
        ({"opening": (held(10, 100),), "now": (held(10, 103),)}, 30),
        ({"opening": (held(-10, 100),), "now": (held(-10, 103),)}, -30),
        # Bought and sold within the day, fees off.
        ({"fills": (fill(10, 100, fee=D(1)), fill(-10, 104, fee=D(1)))}, 38),
        # Half of it sold, the rest at the price of now.
        ({"opening": (held(10, 100),), "fills": (fill(-5, 110),), "now": (held(5, 90),)}, 0),
        # Turned from long to short.
        ({"opening": (held(10, 100),), "fills": (fill(-30, 110),), "now": (held(-20, 105),)}, 200),
        # A contract's point is worth its multiplier, in another currency.
        (
            {
                "opening": (held(1, 50, 2, "FESX", "EUR"),),
                "now": (held(1, 40, 2, "FESX", "EUR"),),
                "rates": {"EUR": D("1.1")},
            },
            -22,
        ),
        # Filled a moment ago: the position does not show it yet, so its own price stands for it.
        ({"fills": (fill(10, 100, settled=False),)}, 0),
        ({"opening": (held(5, 100),), "fills": (fill(5, 102, settled=False),), "now": (held(5, 102),)}, 10),
    ],
)
def test_the_result_is_what_prices_and_trades_brought_since_the_day_began(values: Any, expected: int) -> None:
    assert result(day(**values)) == DayResult(D(expected))


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"opening": (held(1, 100),), "now": (held(1, None),)}, "no price of AAPL"),
        ({"opening": (held(1, None),), "now": (held(1, 100),)}, "had no price when the day began"),
        ({"opening": (held(1, 100, 3, "ES"),), "now": (held(1, 100, 3, "ES"),)}, "one point of ES"),
        ({"now": (held(1, 100),)}, "do not add up to the AAPL"),
        ({"fills": (fill(1, 100),)}, "do not add up to the AAPL"),
        ({"opening": (held(1, 9, currency="EUR"),), "now": (held(1, 9, currency="EUR"),)}, "rate from EUR to USD"),
    ],
)
def test_what_is_not_known_is_named_and_nothing_is_guessed(values: Any, missing: str) -> None:
    day_result = result(day(**values))
    assert day_result.profit is None
    assert missing in day_result.unknown
    assert day_result.unknown.endswith(".")


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 200)), max_size=6),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_the_result_is_the_gain_of_a_purse_that_trades_the_same(
    before: int, trades: list[tuple[int, int]], opening: int, mark: int
) -> None:
    purse, units = D(0), D(before)
    for quantity, price in trades:
        purse, units = purse - quantity * price, units + quantity
    expected = purse + units * mark - before * opening
    day_result = result(
        day(
            opening=(held(before, opening),) if before else (),
            fills=tuple(fill(*trade) for trade in trades),
            now=(held(units, mark),) if units else (),
        )
    )
    assert day_result == DayResult(expected)


@pytest.mark.parametrize(
    ("values", "realized", "unrealized", "fees"),
    [
        ({"opening": (held(10, 100),), "now": (held(10, 103),)}, 0, 30, 0),
        ({"fills": (fill(10, 100, fee=D(1)), fill(-10, 104, fee=D(1)))}, 40, 0, 2),
        ({"opening": (held(10, 100),), "fills": (fill(-5, 110),), "now": (held(5, 90),)}, 50, -50, 0),
        # Turned from long to short: ten closed at 110, twenty short from 110 at 105.
        ({"opening": (held(10, 100),), "fills": (fill(-30, 110),), "now": (held(-20, 105),)}, 100, 100, 0),
        # Added to, then half of it sold, at the average of both.
        ({"fills": (fill(10, 100), fill(10, 120), fill(-10, 130)), "now": (held(10, 90),)}, 200, -200, 0),
        # Short, made larger, covered in part.
        ({"opening": (held(-4, 50),), "fills": (fill(-4, 60), fill(2, 45)), "now": (held(-6, 55),)}, 20, 0, 0),
        (
            {
                "opening": (held(1, 50, 2, "FESX", "EUR"),),
                "fills": (fill(-1, 40, 2, ticker="FESX", currency="EUR", fee=D(3)),),
                "rates": {"EUR": D("1.1")},
            },
            -22,
            0,
            "3.3",
        ),
    ],
)
def test_it_says_what_was_realized_what_is_not_and_what_it_cost(
    values: Any, realized: Any, unrealized: Any, fees: Any
) -> None:
    day_result = result(day(**values))
    assert (day_result.realized, day_result.unrealized, day_result.fees) == (D(realized), D(unrealized), D(fees))
    assert day_result.profit == D(realized) + D(unrealized) - D(fees)


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 200)), max_size=6),
    st.integers(1, 200),
    st.integers(1, 20_000),
)
def test_the_parts_always_add_up_to_the_result_exact_and_in_cents(
    before: int, trades: list[tuple[int, int]], opening: int, mark: int
) -> None:
    units = before + sum(quantity for quantity, _ in trades)
    day_result = result(
        day(
            opening=(held(before, opening),) if before else (),
            fills=tuple(fill(*trade, fee=D("0.333")) for trade in trades),
            now=(held(units, D(mark) / 777),) if units else (),
        )
    )
    cents = day_result.in_cents
    assert day_result.profit is not None
    assert cents.profit is not None
    assert day_result.profit == day_result.realized + day_result.unrealized - day_result.fees
    assert cents.profit == cents.realized + cents.unrealized - cents.fees
    assert abs(cents.profit - day_result.profit) <= D("0.005")
    if not units:
        assert abs(day_result.unrealized) < D("1e-15")


def test_the_parts_of_accounts_are_added_up_too() -> None:
    one = DayResult.of(realized=D(10), unrealized=D(-4), fees=D(1))
    two = DayResult.of(realized=D(2), unrealized=D(2), fees=D(4))
    total = added([("U1", "USD", one), ("U2", "EUR", two)], "USD", {"EUR": D(2)})
    assert (total.profit, total.realized, total.unrealized, total.fees) == (D(5), D(14), D(0), D(9))
    # A result of zero that has parts needs its rate all the same.
    assert added([("U2", "EUR", two)], "USD", {}).profit is None


def test_accounts_are_added_up_in_one_currency() -> None:
    both = [("U1", "USD", DayResult(D(10))), ("U2", "EUR", DayResult(D(-20)))]
    assert added(both, "USD", {"EUR": D("1.5")}) == DayResult(D(-20))
    assert added(both, "USD", {}).unknown == "U2: IBKR's rate from EUR to USD is missing. Send again in a moment."
    assert added([("U1", "USD", DayResult(None, "it is night."))], "USD", {}).unknown == "U1: it is night."


# 09:30 in New York on a Friday; the day began at 05:00 UTC.
NOON = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def look(account: BrokerageAccount, at: datetime, *held: tuple[int, Any, Any], **values: Any) -> None:
    """The book is refreshed with these positions: contract, quantity, price."""
    holdings.refresh(
        account,
        positions=[
            PositionFacts(
                account_id=account.account_id,
                conid=conid,
                ticker=f"T{conid}",
                asset_class=values.get("kind", "stock"),
                quantity=D(quantity),
                average_cost=D(1),
                market_price=None if price is None else D(price),
                currency=values.get("currency", "USD"),
            )
            for conid, quantity, price in held
        ],
        summary=AccountSummary(net_liquidation=D(1000), cash=D(0), buying_power=D(0)),
        as_of=at,
    )
    account.refresh_from_db()


def bought(account: BrokerageAccount, conid: int, quantity: Any, price: Any, at: datetime) -> None:
    order = rows.order(account, conid=conid, ticker=f"T{conid}", quantity=abs(D(quantity)))
    rows.execution(
        order,
        quantity=abs(D(quantity)),
        side="buy" if D(quantity) > 0 else "sell",
        price=D(price),
        fee=D(1),
        executed_at=at,
        seen_at=at,
    )


def day_result_of(account: BrokerageAccount, now: datetime) -> DayResult:
    return day_ledger.results([account], now)[account.pk]


@pytest.mark.django_db
def test_the_first_look_of_a_day_keeps_what_was_held_and_at_what_price(account: BrokerageAccount) -> None:
    look(account, NOON, (1, 10, 100))
    look(account, NOON + timedelta(hours=1), (1, 10, 90), (2, 5, 7))
    kept = OpeningPosition.objects.get()
    assert (kept.quantity, kept.price, str(kept.day)) == (Decimal(10), Decimal(100), "2026-11-20")
    assert account.opened_at == NOON


@pytest.mark.django_db
def test_a_day_begins_at_midnight_in_new_york(account: BrokerageAccount) -> None:
    look(account, datetime(2026, 11, 20, 4, 59, tzinfo=UTC), (1, 10, 100))
    look(account, datetime(2026, 11, 20, 5, 0, tzinfo=UTC), (1, 10, 103))
    assert [str(each.day) for each in OpeningPosition.objects.order_by("day")] == ["2026-11-19", "2026-11-20"]
    look(account, datetime(2026, 11, 20, 5, 1, tzinfo=UTC), (1, 10, 104))
    assert day_result_of(account, datetime(2026, 11, 20, 5, 1, tzinfo=UTC)) == DayResult(D(10))


@pytest.mark.parametrize("date", [(2026, 3, 7), (2026, 3, 8), (2026, 11, 1), (2026, 11, 20)])
def test_a_day_ends_where_the_next_begins(date: tuple[int, int, int]) -> None:
    noon = datetime(*date, 17, tzinfo=UTC)
    end = day_ledger.day_end(noon)
    assert day_ledger.day_start(end) == end
    assert day_ledger.day_start(end - timedelta(microseconds=1)) == day_ledger.day_start(noon)


@pytest.mark.django_db
def test_trades_before_the_first_look_are_in_what_was_found(account: BrokerageAccount) -> None:
    bought(account, 1, 10, 50, NOON - timedelta(minutes=5))
    look(account, NOON, (1, 10, 100))
    look(account, NOON + timedelta(minutes=2), (1, 10, 101))
    assert day_result_of(account, NOON + timedelta(minutes=2)) == DayResult(D(10))


@pytest.mark.django_db
def test_a_day_is_not_opened_while_fills_come_in(account: BrokerageAccount) -> None:
    bought(account, 1, 10, 50, NOON - timedelta(seconds=5))
    look(account, NOON, (1, 10, 100))
    assert account.opened_at is None
    assert "positions of this morning" in day_result_of(account, NOON).unknown
    look(account, NOON + timedelta(seconds=20), (1, 10, 100))
    assert day_result_of(account, NOON + timedelta(seconds=20)) == DayResult(D(0))


@pytest.mark.django_db
def test_realised_and_unrealised_count_and_deposits_do_not(account: BrokerageAccount) -> None:
    look(account, NOON, (1, 10, 100))
    bought(account, 1, -10, 90, NOON + timedelta(minutes=1))
    bought(account, 2, 4, 25, NOON + timedelta(minutes=1))
    later = NOON + timedelta(minutes=3)
    look(account, later, (2, 4, 20))
    BrokerageAccount.objects.filter(pk=account.pk).update(equity=D(1_000_000), cash=D(1_000_000))
    assert day_result_of(account, later) == DayResult(D(-100 - 20 - 2))


@pytest.mark.django_db
def test_a_future_nobody_looked_up_has_no_result(account: BrokerageAccount) -> None:
    look(account, NOON, (7, 1, 100), kind="future")
    assert (
        day_result_of(account, NOON).unknown
        == "what one point of T7 is worth is not known. It was not traded through Halyard."
    )
    rows.order(account, conid=7, multiplier=D(50))
    look(account, NOON + timedelta(minutes=1), (7, 1, 101), kind="future")
    assert day_result_of(account, NOON + timedelta(minutes=1)) == DayResult(D(50))


@pytest.mark.django_db
def test_a_holding_worth_a_hundred_is_not_taken_for_a_share(account: BrokerageAccount) -> None:
    look(account, NOON, (8, 1, 3))
    Position.objects.update(unrealized_pnl=D(200), average_cost=D(1))
    OpeningPosition.objects.update(multiplier=None)
    assert "one point of T8" in day_result_of(account, NOON).unknown


@pytest.mark.django_db(transaction=True)
def test_another_currency_is_converted_or_asked_for(account: BrokerageAccount) -> None:
    look(account, NOON, (1, 10, 100), currency="EUR")
    assert "rate from EUR to USD" in day_result_of(account, NOON).unknown
    assert ExchangeRate.objects.get().wanted_at == NOON
    ExchangeRate.objects.update(rate=D("1.2"), as_of=NOON)
    look(account, NOON + timedelta(minutes=1), (1, 10, 101), currency="EUR")
    assert day_result_of(account, NOON + timedelta(minutes=1)) == DayResult(D(12))


@pytest.mark.django_db
def test_an_account_out_of_sight_has_no_result_unless_it_is_switched_off(account: BrokerageAccount) -> None:
    look(account, NOON, (1, 10, 100))
    assert "last seen at 14:30 UTC" in day_result_of(account, NOON + timedelta(minutes=16)).unknown
    tomorrow = NOON + timedelta(days=1)
    assert "positions of this morning" in day_result_of(account, tomorrow).unknown
    account.connection.enabled = False
    assert day_result_of(account, tomorrow) == DayResult(D(0))


@pytest.mark.django_db
def test_many_accounts_cost_no_more_questions_than_one(team: Team) -> None:
    accounts = [rows.account(team) for _ in range(4)]
    for each in accounts:
        look(each, NOON, (1, 10, 100))
    accounts = list(BrokerageAccount.objects.select_related("connection"))
    for some in (accounts[:1], accounts):
        with CaptureQueriesContext(connection) as asked:
            assert day_ledger.results(some, NOON) == {each.pk: DayResult(D(0)) for each in some}
        assert len(asked) == 5
