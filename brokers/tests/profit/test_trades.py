"""Round trips from fills: where a trade begins and ends, whose it is, and what it made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.actions.reading import Ratio
from brokers.domain.orders import Side
from brokers.domain.profit.days import by_day, trading_day
from brokers.domain.profit.facts import Effect, Fill, Held, Rate, Split
from brokers.domain.profit.trades import Trade, trades

D = Decimal
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)


def fill(number: int, units: int, price: str, **values: Any) -> Fill:
    """So many units, below zero where they are sold, `number` minutes after noon."""
    shown: dict[str, Any] = {"owner": "trend", "fee": D(1), "at": NOON + timedelta(minutes=number), "conid": 1}
    return Fill(execution_id=f"f{number}", quantity=D(units), price=D(price), **shown | values)


def one(*fills: Fill, **values: Any) -> Trade:
    (trade,) = trades(fills, **values)
    return trade


def test_an_entry_and_its_exit_are_one_trade() -> None:
    trade = one(fill(0, 100, "10"), fill(5, -100, "10.50"))

    assert (trade.side, trade.realized, trade.fees) == (Side.BUY, D(50), D(2))
    assert (trade.entry_price, trade.exit_price) == (D(10), D("10.50"))
    assert (trade.entered, trade.exited, trade.left) == (D(100), D(100), D(0))
    assert trade.held == timedelta(minutes=5)
    assert trade.most == D(1000)


def test_a_short_trade_wins_when_the_price_falls() -> None:
    assert one(fill(0, -100, "10"), fill(5, 100, "9"), multiplier=D(50)).realized == D(5000)


def test_an_open_trade_has_a_profit_at_a_price() -> None:
    trade = one(fill(0, 100, "10"), fill(1, 100, "12"), fill(2, -50, "13"))

    assert (trade.closed_at, trade.held, trade.left, trade.average) == (None, None, D(150), D(11))
    assert trade.realized == D(100)
    assert trade.unrealized(D(12), D(1)) == D(150)


def test_a_partial_exit_keeps_the_average_and_an_addition_changes_it() -> None:
    trade = one(fill(0, 100, "10"), fill(1, -50, "12"), fill(2, 50, "14"), fill(3, -100, "12"))

    # A hundred at 10, fifty sold at 12; then fifty at 10 and fifty at 14 cost 12 each.
    assert trade.realized == D(100)
    assert [part.realized for part in trade.exits] == [D(100), D(0)]


def test_a_flip_ends_one_trade_and_begins_another() -> None:
    first, second = trades([fill(0, 100, "10"), fill(1, -300, "11", fee=D(3)), fill(2, 200, "10")])

    assert (first.realized, first.fees, first.closed_at) == (D(100), D(2), NOON + timedelta(minutes=1))
    assert (second.side, second.realized, second.fees) == (Side.SELL, D(200), D(3))
    assert (second.begun_by, second.number) == ("f1", 1)


def test_two_strategies_in_one_contract_have_trades_of_their_own() -> None:
    entry, exit_ = Effect.OPENS, Effect.CLOSES
    long, short = trades(
        [
            fill(0, 100, "10", owner="trend", effect=entry),
            fill(1, -100, "12", owner="fade", effect=entry),
            fill(2, 100, "11", owner="fade", effect=exit_),
            fill(3, -100, "13", owner="trend", effect=exit_),
        ]
    )

    assert (long.owner, long.realized) == ("trend", D(300))
    assert (short.owner, short.realized) == ("fade", D(100))


def test_what_somebody_closes_elsewhere_ends_the_trade_of_the_strategy() -> None:
    trade = one(fill(0, 100, "10", effect=Effect.OPENS), fill(1, -100, "12", owner="elsewhere"))

    assert (trade.owner, trade.realized, trade.closed_at) == ("trend", D(200), NOON + timedelta(minutes=1))


def test_what_somebody_holds_elsewhere_is_closed_before_what_a_strategy_holds() -> None:
    theirs, ours = trades(
        [
            fill(0, 100, "9", owner="elsewhere"),
            fill(1, 100, "10", effect=Effect.OPENS),
            fill(2, -150, "12", owner="elsewhere"),
        ]
    )

    assert (theirs.realized, theirs.left) == (D(300), D(0))
    assert (ours.realized, ours.left) == (D(100), D(50))


def test_an_exit_of_what_nobody_saw_opened_has_no_profit() -> None:
    trade = one(fill(0, -100, "12", effect=Effect.CLOSES))

    assert (trade.is_known, trade.realized, trade.realized_at_home) == (False, None, None)
    assert (trade.side, trade.exited, trade.left, trade.closed_at) == (Side.BUY, D(100), D(0), NOON)
    (day,) = by_day([trade])
    assert (day.realized, day.fees, day.unseen) == (D(0), D(1), 1)


def test_an_exit_opens_nothing() -> None:
    """A stop that sells more than is held leaves no short position in the strategy's name."""
    known, unseen = trades([fill(0, 100, "10", effect=Effect.OPENS), fill(1, -150, "9", effect=Effect.CLOSES)])

    assert (known.left, known.realized) == (D(0), D(-100))
    assert (unseen.is_known, unseen.exited, unseen.left) == (False, D(50), D(0))


def test_a_correction_replaces_the_fill_whenever_it_comes() -> None:
    wrong, right = fill(1, -100, "11"), fill(1, -100, "12", revision=2)

    assert one(fill(0, 100, "10"), wrong, right).realized == D(200)
    assert one(right, wrong, fill(0, 100, "10")).realized == D(200)


def test_a_split_changes_units_and_no_money() -> None:
    split = Split(conid_before=1, conid=2, at=NOON + timedelta(minutes=1), ratio=Ratio(new=4, old=1))
    trade = one(fill(0, 100, "400"), fill(2, -400, "110", conid=2), splits=[split])

    assert (trade.conid, trade.entered, trade.entry_price, trade.realized) == (2, D(400), D(100), D(4000))


def test_a_fraction_after_a_split_leaves_at_its_cost() -> None:
    split = Split(conid_before=1, conid=1, at=NOON + timedelta(minutes=1), ratio=Ratio(new=1, old=10))
    trade = one(fill(0, 105, "1"), fill(2, -10, "12"), splits=[split])

    assert (trade.left, trade.realized) == (D(0), D(20))


def test_thirds_of_two_owners_make_whole_units_again() -> None:
    split = Split(conid_before=1, conid=1, at=NOON + timedelta(minutes=2), ratio=Ratio(new=1, old=3))
    bought = [fill(0, 100, "30"), fill(1, 10, "30", owner="mean")]
    made = trades([*bought, fill(3, -36, "90", owner="elsewhere")], splits=[split])

    assert [trade.left for trade in made] == [D(0), D(0)]
    assert all(trade.closed_at is not None for trade in made)


def test_a_holding_that_a_split_leaves_nothing_of_ends_there() -> None:
    split = Split(conid_before=1, conid=1, at=NOON + timedelta(minutes=1), ratio=Ratio(new=1, old=10))

    assert one(fill(0, 5, "1"), splits=[split]).closed_at == split.at


def test_slippage_is_what_was_lost_against_the_prices_of_signals() -> None:
    trade = one(fill(0, 100, "10.10", signal_price=D(10)), fill(1, -100, "10.95", signal_price=D(11)))

    assert trade.slippage == D("15.00")
    assert trade.slippage_points is not None
    assert round(trade.slippage_points, 2) == D("71.43")


def test_slippage_of_what_no_signal_priced_is_not_known() -> None:
    trade = one(fill(0, 100, "10"), fill(1, -100, "11"))

    assert (trade.slippage, trade.slippage_points) == (None, None)


def test_each_exit_counts_at_the_rate_of_its_moment() -> None:
    def at(value: str) -> Rate:
        return Rate(D(value), NOON)

    trade = one(
        fill(0, 100, "10", rate=at("1.1")), fill(1, -50, "12", rate=at("1.2")), fill(2, -50, "14", rate=at("1.5"))
    )

    assert (trade.realized, trade.realized_at_home) == (D(300), D(420))
    assert (trade.fees_at_home, trade.rate) == (D("3.8"), at("1.5"))


def test_without_a_rate_nothing_is_said_in_the_accounts_currency() -> None:
    trade = one(fill(0, 100, "10", rate=Rate(D(2), NOON)), fill(1, -50, "12", rate=None))

    assert (trade.realized, trade.realized_at_home, trade.fees_at_home) == (D(100), None, None)
    (day,) = by_day([trade])
    assert (day.realized, day.realized_at_home, day.fees_at_home) == (D(100), None, None)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 8, 4, 59, tzinfo=UTC), date(2026, 3, 7)),
        # Clocks go forward at two in the morning: the day has 23 hours.
        (datetime(2026, 3, 8, 5, 0, tzinfo=UTC), date(2026, 3, 8)),
        (datetime(2026, 3, 9, 3, 59, tzinfo=UTC), date(2026, 3, 8)),
        (datetime(2026, 3, 9, 4, 0, tzinfo=UTC), date(2026, 3, 9)),
        # And back: the day has 25.
        (datetime(2026, 11, 2, 4, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2027, 1, 1, 4, 59, tzinfo=UTC), date(2026, 12, 31)),
        (datetime(2027, 1, 1, 5, 0, tzinfo=UTC), date(2027, 1, 1)),
        # A half day is a day.
        (datetime(2026, 11, 27, 18, 0, tzinfo=UTC), date(2026, 11, 27)),
    ],
)
def test_a_day_is_new_yorks(moment: datetime, day: date) -> None:
    assert trading_day(moment) == day


def test_a_profit_belongs_to_the_day_of_its_exit_and_a_fee_to_that_of_its_fill() -> None:
    next_day = NOON + timedelta(days=1)
    first, second = by_day([one(fill(0, 100, "10"), fill(1, -50, "11"), fill(2, -50, "12", at=next_day))])

    assert (first.day, first.realized, first.fees, first.fills) == (date(2026, 3, 2), D(50), D(2), 2)
    assert (second.day, second.realized, second.fees, second.fills) == (date(2026, 3, 3), D(100), D(1), 1)


def test_a_fill_corrected_a_day_later_changes_the_day_it_belongs_to() -> None:
    bought, sold = fill(0, 100, "10"), fill(1, -100, "11")
    other = [fill(5, 10, "10", at=NOON + timedelta(days=1)), fill(6, -10, "11", at=NOON + timedelta(days=1))]
    before = by_day(trades([bought, sold, *other]))

    after = by_day(trades([bought, sold, *other, fill(1, -100, "11.50", revision=2)]))

    assert [day.realized for day in before] == [D(100), D(10)]
    assert [day.realized for day in after] == [D(150), D(10)]


def before(quantity: int, minutes: float = -1) -> Held:
    """What was found in the account, so many minutes after noon."""
    return Held(quantity=D(quantity), at=NOON + timedelta(minutes=minutes))


def shape(trade: Trade) -> tuple[bool, Side, Decimal, Decimal, Decimal]:
    return trade.is_known, trade.side, trade.entered, trade.exited, trade.left


def test_what_was_held_before_and_is_sold_elsewhere_is_no_short() -> None:
    """It opened a short trade, whose profit was invented."""
    sold = one(fill(0, -60, "10", owner="elsewhere"), before=before(100))
    assert shape(sold) == (False, Side.BUY, D(0), D(60), D(0))
    assert sold.realized is None
    unseen, short = trades(
        [fill(0, -60, "10", owner="elsewhere"), fill(1, -60, "9", owner="elsewhere")], before=before(100)
    )[0:3:2]
    assert (shape(unseen)[0], shape(short)) == (False, (True, Side.SELL, D(20), D(0), D(20)))


def test_it_is_sold_before_what_was_bought_since_and_what_strategies_hold_stays_theirs() -> None:
    own, unseen = trades(
        [fill(0, 50, "10", effect=Effect.OPENS), fill(1, -100, "12", owner="elsewhere")], before=before(100)
    )
    assert shape(own) == (True, Side.BUY, D(50), D(0), D(50))
    assert shape(unseen) == (False, Side.BUY, D(0), D(100), D(0))


def test_fills_that_the_first_look_shows_already_are_no_part_of_it() -> None:
    trade = one(fill(0, 100, "10", owner="elsewhere"), fill(1, -100, "12", owner="elsewhere"), before=before(100, 0.5))
    assert (shape(trade), trade.realized) == ((True, Side.BUY, D(100), D(100), D(0)), D(200))


def test_an_exit_of_ours_takes_from_it_what_its_owner_does_not_hold() -> None:
    close = Effect.CLOSES
    own, unseen, short = trades(
        [
            fill(0, 50, "10", effect=Effect.OPENS),
            fill(1, -120, "12", effect=close),
            fill(2, -60, "12", owner="elsewhere"),
        ],
        before=before(100),
    )[:3]
    assert (shape(own), shape(unseen)) == (
        (True, Side.BUY, D(50), D(50), D(0)), (False, Side.BUY, D(0), D(70), D(0)),
    )  # fmt: skip
    assert shape(short) == (False, Side.BUY, D(0), D(30), D(0))


def test_a_short_that_was_there_before_is_bought_back() -> None:
    bought = one(fill(0, 40, "10", owner="elsewhere"), before=before(-40))
    assert shape(bought) == (False, Side.SELL, D(0), D(40), D(0))


def test_a_split_counts_for_it() -> None:
    split = Split(conid_before=1, conid=1, at=NOON, ratio=Ratio(new=4, old=1))
    sold = one(fill(1, -400, "10", owner="elsewhere"), splits=[split], before=before(100))
    assert shape(sold) == (False, Side.BUY, D(0), D(400), D(0))
