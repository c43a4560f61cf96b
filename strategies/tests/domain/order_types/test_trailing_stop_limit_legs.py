"""Stop losses that trail and become limit orders: where both prices begin, what is refused, and how they are changed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderType, Release, Role, Side
from brokers.domain.snapshot import WorkingOrder
from strategies.display.readings import pairs
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Bracket, Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.terms import Terms
from strategies.reading.parse import parse
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, quote, shape, snapshot, working

D = Decimal
HUNDRED = D(100)
KIND = "trailing_stop_limit"
BANDED = Contract(instrument=Instrument(ticker="AAPL"), conid=1, increments=((D(0), D("0.0001")), (D(1), D("0.01"))))
OF_TERMS = Terms(
    stop_loss=bracket("trailPercent", 2),
    stop_loss_type=OrderType.TRAILING_STOP_LIMIT,
    stop_loss_limit_offset=D("0.5"),
)


WRONG: tuple[object, ...] = (0, -1, "far", "NaN", "1e400", True, [])


def trails(mode: str, value: str | int, offset: str | int | None = "0.5", kind: str | None = KIND) -> Bracket:
    return Bracket(mode=mode, value=D(value), type=kind, offset=None if offset is None else D(offset))


def decided(
    action: str, stop: Bracket | None, seen: Decimal | None = HUNDRED, terms: Terms | None = None, **book: Any
) -> Plan | Rejection:
    signal = message(action, 10, signal_price=seen, stop_loss=stop)
    return decide(signal, terms or Terms(), snapshot(**book), NOW)


def leg_of(answer: Plan | Rejection) -> OrderIntent:
    assert isinstance(answer, Plan), answer
    (leg,) = answer.intents[0].then
    return leg


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "buy", "quantity": 1, **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=NOW).message


@pytest.mark.parametrize(
    ("action", "stop", "prices"),
    [
        ("buy", trails("trailPercent", 2), (Side.SELL, D(98), D("97.5"))),
        ("buy", trails("trailAmount", "1.504", "0.107"), (Side.SELL, D("98.5"), D("98.4"))),
        ("sell", trails("trailAmount", 3, 1), (Side.BUY, D(103), D(104))),
        ("sell", trails("trailPercent", "0.333", "0.004"), (Side.BUY, D("100.33"), D("100.33"))),
    ],
)
def test_both_prices_begin_at_the_price_of_the_entry(
    action: str, stop: Bracket, prices: tuple[Side, Decimal, Decimal]
) -> None:
    leg = leg_of(decided(action, stop))
    assert (leg.role, leg.type, leg.release) == (Role.STOP_LOSS, OrderType.TRAILING_STOP_LIMIT, Release.WITH_PARENT)
    assert (leg.side, leg.stop_price, leg.limit_price) == prices
    assert (leg.trail_amount is None) == (leg.trail_percent is not None)
    assert leg.quantity == 10


def test_they_begin_at_the_entrys_own_limit() -> None:
    order = shape("limit", limit=90)
    answer = decide(message("buy", 10, order=order, stop_loss=trails("trailPercent", 10, 1)), Terms(), snapshot(), NOW)
    assert (leg_of(answer).stop_price, leg_of(answer).limit_price) == (D(81), D(80))


def test_terms_may_say_it_and_a_signal_comes_first() -> None:
    assert contradictions(OF_TERMS) == []
    own = leg_of(decided("buy", None, terms=OF_TERMS))
    assert (own.type, own.stop_price, own.limit_price) == (OrderType.TRAILING_STOP_LIMIT, D(98), D("97.5"))
    plain = leg_of(decided("buy", bracket("trailPercent", 2, "trailing_stop"), terms=OF_TERMS))
    assert (plain.type, plain.stop_price, plain.limit_price) == (OrderType.TRAILING_STOP, None, None)
    fixed = leg_of(decided("buy", bracket("percent", 5), terms=OF_TERMS))
    assert (fixed.type, fixed.stop_price) == (OrderType.STOP, D(95))
    other = leg_of(decided("buy", trails("trailAmount", 4, 2), terms=OF_TERMS))
    assert (other.stop_price, other.limit_price) == (D(96), D(94))


@pytest.mark.parametrize(
    ("stop", "seen", "refusal"),
    [
        (trails("trailPercent", 2), None, ("P03", "price-required")),
        (trails("trailAmount", 100), D(100), ("P02", "invalid-stop-price")),
        (trails("trailAmount", 1, 99), D(100), ("P02", "invalid-limit-offset")),
        (trails("trailAmount", 1, 5000), D(100), ("P02", "invalid-limit-offset")),
        (trails("trailAmount", 1, None), D(100), ("P04", "limit-offset-required")),
    ],
)
def test_where_no_price_can_be_told_no_entry_is_left_without_its_stop(
    stop: Bracket, seen: Decimal | None, refusal: tuple[str, str]
) -> None:
    answer = decided("buy", stop, seen)
    assert isinstance(answer, Rejection), answer
    assert (answer.rule, answer.code) == refusal
    assert answer.reason.endswith(".")


def test_an_offset_beyond_the_stop_itself_is_refused_of_a_short_position_too() -> None:
    answer = decided("sell", trails("trailAmount", 1, 101))
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("P02", "invalid-limit-offset")


@given(
    st.sampled_from(["buy", "sell"]),
    st.decimals(D("0.01"), D(5000), places=4),
    st.decimals(D("0.01"), D(90), places=2),
    st.decimals(D("0.0001"), D(10), places=4),
)
def test_it_protects_the_side_that_loses_and_its_limit_is_beyond_its_stop(
    action: str, market: Decimal, percent: Decimal, offset: Decimal
) -> None:
    answer = decided(action, trails("trailPercent", str(percent), str(offset)), market, contract=BANDED)
    if isinstance(answer, Rejection):
        assert answer.rule == "P02"
        return
    leg = leg_of(answer)
    assert leg.stop_price is not None
    assert leg.limit_price is not None
    tick = BANDED.tick_at(max(leg.stop_price, leg.limit_price, market))
    assert (leg.stop_price - market) * leg.side.sign > -tick
    assert (leg.limit_price - leg.stop_price) * leg.side.sign > -tick
    for price in (leg.stop_price, leg.limit_price):
        assert price % BANDED.tick_at(price) == 0


def test_it_is_read_stored_and_shown() -> None:
    asked = read(stopLoss={"type": KIND, "trailPercent": "1.5", "limitOffset": 0.25})
    assert asked.stop_loss == Bracket(mode="trailPercent", value=D("1.5"), type=KIND, offset=D("0.25"))
    assert Message.from_reading(asked.reading()) == asked
    shown = dict(pairs(asked.reading()))["Stop loss"]
    assert shown == "trailing stop limit trailing by 1.5%, its limit 0.25 beyond"


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        ({"type": KIND, "trailPercent": 2}, "invalid-stop-loss-limit-offset"),
        ({"type": KIND, "trailPercent": 2, "limitOffset": ""}, "invalid-stop-loss-limit-offset"),
        *(
            ({"type": KIND, "trailPercent": 2, "limitOffset": wrong}, "invalid-stop-loss-limit-offset")
            for wrong in WRONG
        ),
        ({"type": "trailing_stop", "trailPercent": 2, "limitOffset": 1}, "invalid-stop-loss-limit-offset"),
        ({"type": "stop", "stopPrice": 95, "limitOffset": 1}, "invalid-stop-loss-limit-offset"),
        ({"stopPrice": 95, "limitOffset": 1}, "invalid-stop-loss-limit-offset"),
        ({"type": KIND, "limitOffset": 1}, "invalid-stop-loss-trail-value-required"),
        ({"type": KIND, "limitOffset": 1, "trailPercent": 2, "trailAmount": 1}, "invalid-stop-loss-trail-value"),
        ({"type": KIND, "limitOffset": 1, "trailPercent": 2, "stopPrice": 95}, "invalid-stop-loss-trail-value"),
        ({"type": KIND, "limitOffset": 1, "trailPercent": 2, "limitPrice": 95}, "invalid-stop-loss-trail-value"),
        ({"type": KIND, "limitOffset": 1, "trailPercent": -2}, "invalid-stop-loss-trail-percent"),
        ({"type": KIND, "limitOffset": "{{close}}", "trailPercent": 2}, "unexpanded-placeholder"),
    ],
)
def test_what_does_not_go_together_is_refused(stop: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        read(stopLoss=stop)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"stop_loss_limit_offset": None}, "stop_loss_limit_offset"),
        ({"stop_loss_limit_offset": D(0)}, "stop_loss_limit_offset"),
        ({"stop_loss_limit_offset": D(-1)}, "stop_loss_limit_offset"),
        ({"stop_loss": bracket("percent", 2)}, "stop_loss"),
    ],
)
def test_terms_that_do_not_go_together_are_refused_at_their_field(values: dict[str, Any], field: str) -> None:
    terms = Terms.from_json({**OF_TERMS.to_json()})
    changed = Terms(
        **{name: getattr(terms, name) for name in ("stop_loss", "stop_loss_type")}
        | {"stop_loss_limit_offset": D("0.5"), **values}
    )
    assert field in dict(contradictions(changed))


LEG = working(
    "stop_loss", "sell", 10, "s1", KIND, stop_price=D(95), limit_price=D("94.5"), trail_amount=D(5), parent="e1"
)


def modified(stop: Bracket | None, order: Any = None, leg: WorkingOrder = LEG) -> Plan | Rejection:
    values = {"order": order} if order is not None else {}
    held = snapshot(10, leg, average_cost=D(98), quote=quote("99.99", "100.01"))
    return decide(message("modify", stop_loss=stop, **values), Terms(), held, NOW)


def test_its_trail_is_changed_in_place_with_the_limit_where_one_is_sent() -> None:
    answer = modified(None, shape(trail_amount=3))
    assert isinstance(answer, Plan)
    (change,) = answer.modifications
    assert (change.trail_amount, change.stop_price, change.limit_price) == (D(3), None, None)
    answer = modified(trails("trailPercent", 2, 1))
    assert isinstance(answer, Plan)
    (change,) = answer.modifications
    assert (change.trail_percent, change.stop_price, change.limit_price) == (D(2), None, D(94))


@pytest.mark.parametrize("stop", [bracket("stopPrice", 97), bracket("trailAmount", 3, "trailing_stop")])
def test_what_is_not_its_own_is_not_changed(stop: Bracket) -> None:
    answer = modified(stop)
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("M06", "cannot-be-changed")


def test_a_trailing_stop_does_not_become_one() -> None:
    plain = working("stop_loss", "sell", 10, "s1", "trailing_stop", trail_amount=D(5), parent="e1")
    answer = modified(trails("trailPercent", 2), leg=plain)
    assert isinstance(answer, Rejection)
    assert answer.code == "cannot-be-changed"
