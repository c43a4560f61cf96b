"""What is decided of a combo: opened on either side, counted by what it can lose, and refused where it does not fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.advisors.groups import SeenGroup
from brokers.domain.contracts.rules import Denial
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderType, Side, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import MarginPreview, Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Bracket, Ladder, Rung
from strategies.domain.message.symbols import Kind
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import MarketClosed, QuantityType, Sides, Terms
from strategies.reading.contract import read
from strategies.tests.domain.cases_of_decide import NOW, drawn, snapshot
from strategies.tests.options.test_combo_messages import HIGH, LATER, LOW, leg, message

D = Decimal
TERMS = Terms()
VERTICAL, CALENDAR = (LOW, HIGH), (LATER, LOW)


def seen(name: str = "SPY 261218C640/650", legs: tuple[int, int] = (0, 0), **values: Any) -> Snapshot:
    contract = Contract(
        instrument=Instrument(ticker=name, asset_class=AssetClass.OPTION), conid=-5, name="", multiplier=D(100)
    )
    fields: dict[str, Any] = {
        "contract": contract,
        "legs": (D(legs[0]), D(legs[1])),
        "quote": Quote(bid=D("3.00"), ask=D("3.20"), last=None, as_of=NOW),
        "available_funds": D(100_000),
        "equity": D(100_000),
        **values,
    }
    return snapshot(values.pop("position", 0), **{k: v for k, v in fields.items() if k != "position"})


def answer(
    action: str = "buy", of: Snapshot | None = None, terms: Terms = TERMS, legs: tuple[str, str] = VERTICAL, **sent: Any
) -> Plan | Rejection:
    said = message(leg(legs[0], "buy"), leg(legs[1], "sell"), action=action, **sent)
    return decide(said, terms, of or seen(), NOW)


def planned(*args: Any, **values: Any) -> Plan:
    found = answer(*args, **values)
    assert isinstance(found, Plan), found
    return found


def refused(*args: Any, **values: Any) -> Rejection:
    found = answer(*args, **values)
    assert isinstance(found, Rejection), found
    assert found.reason.endswith(".")
    return found


def test_a_debit_spread_says_what_it_can_lose() -> None:
    plan = planned(orderType="limit", limitPrice="3.2", quantity=2)
    assert drawn(plan) == "entry buy 2 limit 3.2"
    assert plan.reason.endswith(" SPY 18 Dec 2026 640/650 call spread, debit 3.20, at most 320 USD at risk each.")
    # Both legs of both are charged.
    (line,) = plan.estimates
    assert line.fee == D("2.60")


def test_what_an_order_costs_at_least_is_charged_once_for_both_legs() -> None:
    (line,) = planned(orderType="limit", limitPrice="3.2", quantity=1).estimates
    assert line.fee == D("1.30")


def test_a_credit_spread_says_what_it_can_lose() -> None:
    preview = MarginPreview(side=Side.SELL, quantity=D(1), initial=D(680), as_of=NOW)
    plan = planned("sell", of=seen(previews=(preview,)), orderType="limit", limitPrice="3.2")
    assert drawn(plan) == "entry sell 1 limit 3.2"
    assert plan.reason.endswith(" SPY 18 Dec 2026 640/650 call spread, credit 3.20, at most 680 USD at risk each.")
    assert plan.estimates[0].margin_from == "preview"


@pytest.mark.parametrize(("left", "said"), [(0, "no day trade left"), (1, "one day trade left"), (3, "")])
def test_one_day_trade_is_counted_for_both_legs(left: int, said: str) -> None:
    plan = planned(of=seen(day_trades_left=left), orderType="limit", limitPrice="3.2")
    remarks = " ".join(note for line in plan.estimates for note in line.notes)
    assert (said in remarks, "day trade" in remarks) == (True, bool(said))


@pytest.mark.parametrize(("most", "passes"), [("639", False), ("640", True)])
def test_limits_in_money_count_what_all_of_them_can_lose(most: str, passes: bool) -> None:
    terms = replace(TERMS, max_amount=D(most))
    found = answer(terms=terms, orderType="limit", limitPrice="3.2", quantity=2)
    assert isinstance(found, Plan) is passes
    assert isinstance(found, Plan) or found.code == "amount-over-limit"


@pytest.mark.parametrize(("most", "passes"), [("1359", False), ("1360", True)])
def test_of_a_credit_spread_too(most: str, passes: bool) -> None:
    terms = replace(TERMS, max_amount=D(most))
    found = answer("sell", terms=terms, orderType="limit", limitPrice="3.2", quantity=2)
    assert isinstance(found, Plan) is passes


def test_a_limit_of_contracts_counts_whole_combos() -> None:
    assert refused(terms=replace(TERMS, max_quantity=D(1)), quantity=2).code == "quantity-over-limit"


STOP = Bracket(mode="percent", value=D(5), type="stop")
TARGETS = tuple(Rung(target=Bracket(mode="limitPrice", value=D(price))) for price in (4, 5))
LIMIT: dict[str, Any] = {"order_type": OrderType.LIMIT}
UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"order_type": OrderType.MIDPRICE}, "combo-order-type"),
    ({"order_type": OrderType.TRAILING_STOP, "trail_amount": D(1)}, "combo-order-type"),
    ({"stop_loss": STOP}, "combo-with-legs-behind"),
    ({"take_profit": replace(STOP, type=None)}, "combo-with-legs-behind"),
    ({"take_profit": Ladder(TARGETS)}, "combo-with-legs-behind"),
    ({"time_in_force": TimeInForce.IOC, **LIMIT}, "combo-time-in-force"),
]


@pytest.mark.parametrize(("terms", "code"), UNFIT)
def test_terms_that_do_not_go_with_a_combo_refuse_it(terms: dict[str, Any], code: str) -> None:
    found = refused(terms=replace(TERMS, **terms))
    assert (found.rule, found.code) == ("B05", code)


@pytest.mark.parametrize("action", ["buy", "exit"])
def test_good_till_a_date_it_is_canceled_by_halyard(action: str) -> None:
    held = seen(legs=(2, -2), position=2) if action == "exit" else seen()
    plan = planned(action, of=held, orderType="limit", limitPrice="3.2", goodTillDate="2026-12-01")
    (intent,) = plan.intents
    assert (intent.time_in_force, intent.good_till) == ("gtd", datetime(2026, 12, 1, 21, tzinfo=UTC))
    assert plan.reason.endswith(" What is left of it is canceled by Halyard at 2026-12-01 21:00 UTC.")


def test_the_days_of_the_terms_count_for_a_combo_as_well() -> None:
    terms = replace(TERMS, time_in_force=TimeInForce.GTD, good_till_days=3, order_type=OrderType.LIMIT)
    (intent,) = planned(terms=terms, limitPrice="3.2").intents
    assert intent.good_till == NOW + timedelta(days=3)


@pytest.mark.parametrize("sizing", [each for each in QuantityType if each is not QuantityType.FIXED])
@pytest.mark.parametrize("quote", ["shown", "none"])
def test_terms_that_size_otherwise_than_by_how_many_refuse_it(sizing: QuantityType, quote: str) -> None:
    # Whatever else the size lacks: a stop, a price, or money for one.
    terms = replace(TERMS, quantity=D(1), quantity_type=sizing)
    found = refused(terms=terms, quantity=None, of=seen() if quote == "shown" else seen(quote=None))
    assert (found.rule, found.code) == ("B05", "combo-sizing")
    assert "Send quantity, without quantityType." in found.reason
    # As that says: how many, beside the same terms.
    assert drawn(planned(terms=terms, quantity=2)) == "entry buy 2"


def test_a_part_of_the_position_opens_no_combo() -> None:
    assert refused(quantity=50, quantityType="percent_of_position").code == "combo-sizing"


@pytest.mark.parametrize(
    ("quantity", "sizing", "leaves"),
    [
        (50, "percent_of_position", 2),
        (320, "dollar_amount", 1),
        (1, "fixed_quantity", 1),
        (100_000, "dollar_amount", 4),
    ],
)
def test_an_exit_of_a_combo_takes_a_size_in_money_or_a_part(quantity: int, sizing: str, leaves: int) -> None:
    held = seen(legs=(4, -4), position=4)
    plan = planned("exit", of=held, quantity=quantity, quantityType=sizing)
    assert drawn(plan) == f"exit sell {leaves}"


def test_terms_that_join_the_auction_refuse_it() -> None:
    closed = seen(environment=Environment.PAPER)
    night = NOW.replace(hour=2)
    said = message(leg(LOW, "buy"), leg(HIGH, "sell"))
    found = decide(said, replace(TERMS, market_closed=MarketClosed.OPG), closed, night)
    assert isinstance(found, Rejection)
    assert found.code == "combo-time-in-force"


def test_extended_hours_are_not_asked_for() -> None:
    plan = planned(terms=replace(TERMS, outside_rth=True), orderType="limit", limitPrice="3.2")
    assert not plan.intents[0].outside_rth


def test_a_calendar_is_bought_and_not_sold() -> None:
    calendar = seen("SPY 270115/261218C640")
    plan = planned(of=calendar, legs=CALENDAR, orderType="limit", limitPrice=4)
    assert plan.reason.endswith("SPY 640 call calendar 15 Jan 2027/18 Dec 2026, debit 4, at most 400 USD at risk each.")
    assert refused("sell", of=calendar, legs=CALENDAR).code == "calendar-is-not-sold"


def test_no_combo_is_opened_at_its_width_or_beyond() -> None:
    wide = seen(quote=Quote(bid=D(10), ask=D(11), last=None, as_of=NOW))
    assert refused(of=wide).code == "combo-price-past-its-width"


@pytest.mark.parametrize("expected", [D(0), D("-0.1")])
def test_no_combo_is_opened_at_a_price_that_is_not_above_zero(expected: Decimal) -> None:
    opening = combos.Opening(side=Side.BUY, expected=expected, children=())
    found = combos.not_opened(seen(), opening)
    assert found is not None
    assert found.code == "combo-price-not-above-zero"


def test_a_price_that_the_quotes_of_the_legs_do_not_tell_passes_no_limit_in_money() -> None:
    terms = replace(TERMS, max_amount=D(1_000_000))
    assert refused(terms=terms, of=seen(quote=None)).code == "amount-unknown"


BESIDE = Denial(code="leg-of-a-combo", sentence="It is a leg. Send the exit of the combo first.")


def test_what_is_held_beside_a_combo_leaves_and_is_not_added_to() -> None:
    contract = Contract(instrument=Instrument(ticker=LOW, asset_class=AssetClass.OPTION), conid=5, name="")
    alone = replace(
        snapshot(10), contract=contract, in_combos=BESIDE, quote=Quote(bid=D(3), ask=D("3.1"), last=None, as_of=NOW)
    )

    def told(action: str, held: Snapshot = alone, **sent: Any) -> Plan | Rejection:
        said = read({"ticker": LOW, "action": action, **sent}, kind=Kind.OPTION, allowed_tickers=(), now=NOW)[0]
        return decide(said, TERMS, held, NOW)

    out = told("exit")
    assert isinstance(out, Plan)
    assert drawn(out) == "exit sell 10"
    found = told("add", quantity=1)
    assert isinstance(found, Rejection)
    assert (found.rule, found.code, found.reason) == ("B01", BESIDE.code, BESIDE.sentence)
    inside = told("exit", replace(alone, position=D(0)))
    assert isinstance(inside, Rejection)
    assert inside.code == "leg-of-a-combo"


@pytest.mark.parametrize(("action", "legs"), [("buy", (-1, 0)), ("buy", (0, 1)), ("sell", (1, 0)), ("sell", (0, -2))])
def test_a_leg_that_is_held_the_other_way_is_not_closed_by_an_entry(action: str, legs: tuple[int, int]) -> None:
    assert refused(action, of=seen(legs=legs)).code == "leg-held-other-way"


def test_a_leg_that_is_held_the_same_way_stays_beside_it() -> None:
    assert drawn(planned(of=seen(legs=(3, 0)))) == "entry buy 1"


@pytest.mark.parametrize(("position", "legs", "side"), [(2, (5, -2), "sell"), (-2, (-2, 3), "buy")])
def test_an_exit_closes_as_many_as_there_are_of_both_legs(position: int, legs: tuple[int, int], side: str) -> None:
    plan = planned("exit", of=seen(legs=legs, position=position), quantity=None)
    assert drawn(plan) == f"exit {side} 2"
    assert drawn(planned("exit", of=seen(legs=legs, position=position), quantity=1)) == f"exit {side} 1"
    assert drawn(planned("exit", of=seen(legs=legs, position=position), quantity=9)) == f"exit {side} 2"


def test_an_exit_where_a_leg_is_gone_says_what_is_left() -> None:
    found = refused("exit", of=seen(legs=(2, 0)), quantity=None)
    assert found.code == "combo-leg-gone"
    assert "2 SPY 18 Dec 2026 640 C (long)" in found.reason
    assert refused("exit", quantity=None).code == "nothing-to-exit"


@pytest.mark.parametrize(
    ("terms", "leaves"),
    [
        ({"exit_order_type": OrderType.MIDPRICE}, "exit sell 1"),
        ({"exit_order_type": OrderType.STOP}, "exit sell 1"),
        ({"exit_time_in_force": TimeInForce.IOC}, "exit sell 1"),
        ({"exit_time_in_force": TimeInForce.OPG}, "exit sell 1"),
    ],
)
def test_an_exit_by_terms_that_ibkr_does_not_take_leaves_as_it_does(terms: dict[str, Any], leaves: str) -> None:
    held = seen(legs=(1, -1), position=1)
    plan = planned("exit", of=held, terms=replace(TERMS, **terms), quantity=None)
    assert drawn(plan) == leaves
    assert plan.intents[0].time_in_force is TimeInForce.DAY
    assert " of a combo: it leaves as a " in plan.reason


def test_an_exit_at_night_does_not_join_an_auction() -> None:
    said = message(leg(LOW, "buy"), leg(HIGH, "sell"), action="exit", quantity=None)
    held = seen(legs=(1, -1), position=1, environment=Environment.PAPER)
    plan = decide(said, replace(TERMS, market_closed=MarketClosed.OPG), held, NOW.replace(hour=2))
    assert isinstance(plan, Plan), plan
    assert plan.intents[0].time_in_force is TimeInForce.DAY


@pytest.mark.parametrize(("percent", "passes"), [(1, False), (2, True)])
def test_the_spread_of_a_vertical_is_measured_by_its_width(percent: int, passes: bool) -> None:
    found = answer(terms=replace(TERMS, option_spread_percent=D(percent)))
    assert isinstance(found, Plan) is passes
    assert isinstance(found, Plan) or "a spread of 2 % of its width of 10, " in found.reason


def test_a_combo_on_an_index_has_the_spread_of_its_class() -> None:
    index = seen("SPXW 261218C6400/6450", quote=Quote(bid=D(20), ask=D(21), last=None, as_of=NOW))
    legs = ("SPXW 261218C6400", "SPXW 261218C6450")
    said = message(leg(legs[0], "buy"), leg(legs[1], "sell"), ticker="SPXW")
    terms = replace(TERMS, option_spread_percent=D("0.1"), index_option_spread_percent=D(2))
    assert isinstance(decide(said, terms, index, NOW), Plan)


def test_one_side_alone_is_opened_where_the_terms_say_so() -> None:
    assert refused("sell", terms=replace(TERMS, sides=Sides.BULLISH)).code == "side-not-allowed"


def test_a_group_orders_none() -> None:
    group = SeenGroup.__new__(SeenGroup)
    opening = combos.Opening(side=Side.BUY, expected=D(3), children=())
    found = combos.not_opened(replace(seen(), group=group), opening)
    assert found is not None
    assert found.code == "combo-for-a-group"
