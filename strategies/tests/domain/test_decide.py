"""The trading rules, row by row, and what must hold for every input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument, OrderStatus, OrderType, Role, Side
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Action, Message, OrderShape
from strategies.domain.plan.plan import Plan, Rejection, Sides, Terms

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AAPL = Contract(instrument=Instrument(ticker="AAPL"), conid=265598)


def message(action: str, quantity: str | None = None, **values: object) -> Message:
    return Message(
        symbol=symbols.read("AAPL", symbols.Kind.STOCK, NOW),
        action=Action(action),
        quantity=None if quantity is None else Decimal(quantity),
        **values,  # type: ignore[arg-type]
    )


def snapshot(position: str = "0", *working: WorkingOrder) -> Snapshot:
    return Snapshot(
        account_id="SIM1",
        contract=AAPL,
        position=Decimal(position),
        average_cost=None,
        working=working,
        equity=None,
        buying_power=None,
        currency="USD",
        quote=None,
        as_of=NOW,
    )


def working(role: Role, side: Side, remaining: str) -> WorkingOrder:
    return WorkingOrder(
        reference="hy-1",
        role=role,
        side=side,
        type=OrderType.MARKET,
        remaining=Decimal(remaining),
        status=OrderStatus.ACCEPTED,
    )


# position, action, quantity in the signal, terms -> rule, role, side, quantity; None: rejected with the code
ROWS = [
    ("0", "buy", "10", Terms(), ("D01", Role.ENTRY, Side.BUY, "10")),
    ("0", "sell", "10", Terms(), ("D01s", Role.ENTRY, Side.SELL, "10")),
    ("0", "buy", None, Terms(quantity=Decimal(7)), ("D01", Role.ENTRY, Side.BUY, "7")),
    ("0", "buy", "2.9", Terms(), ("D01", Role.ENTRY, Side.BUY, "2")),
    ("5", "buy", "10", Terms(allow_add=True), ("D06", Role.ENTRY, Side.BUY, "10")),
    ("-5", "sell", "10", Terms(allow_add=True), ("D06s", Role.ENTRY, Side.SELL, "10")),
    ("-5", "buy", None, Terms(), ("D15", Role.EXIT, Side.BUY, "5")),
    ("5", "sell", None, Terms(), ("D15s", Role.EXIT, Side.SELL, "5")),
    ("-5", "buy", "2", Terms(), ("D13", Role.EXIT, Side.BUY, "2")),
    ("5", "sell", "2", Terms(), ("D13s", Role.EXIT, Side.SELL, "2")),
    ("5", "sell", "50", Terms(), ("D15s", Role.EXIT, Side.SELL, "5")),
    ("5", "exit", None, Terms(), ("D24", Role.EXIT, Side.SELL, "5")),
    ("-5", "exit", None, Terms(), ("D24", Role.EXIT, Side.BUY, "5")),
    ("5", "exit", "2", Terms(), ("D25", Role.EXIT, Side.SELL, "2")),
    ("5", "exit", "9", Terms(), ("D26", Role.EXIT, Side.SELL, "5")),
]

REFUSED = [
    ("0", "buy", "10", Terms(sides=Sides.BEARISH), "D02", "side-not-allowed"),
    ("0", "sell", "10", Terms(sides=Sides.BULLISH), "D02s", "side-not-allowed"),
    ("5", "buy", "10", Terms(), "D05", "position-already-open"),
    ("-5", "sell", "10", Terms(), "D05s", "position-already-open"),
    ("0", "exit", None, Terms(), "D28", "nothing-to-exit"),
    ("5", "exit", "0.4", Terms(), "D25", "exit-quantity-zero"),
    ("0", "buy", None, Terms(), "S01", "quantity-required"),
    ("0", "buy", "0.4", Terms(), "S02", "quantity-zero"),
    ("0", "buy", "11", Terms(max_quantity=Decimal(10)), "G01", "quantity-over-limit"),
    ("0", "buy", "1", Terms(order_type=OrderType.LIMIT), "P01", "price-required"),
]


@pytest.mark.parametrize("flags", ["DpB", "ZpB", "YpB", "", "N", "O"])
@pytest.mark.parametrize(
    ("quantity", "kind", "terms", "code"),
    [
        ("1", "fixed_quantity", Terms(order_type=OrderType.LIMIT), "price-required"),
        ("1", "fixed_quantity", Terms(order_type=OrderType.STOP), "price-required"),
        ("1", "fixed_quantity", Terms(max_amount=Decimal(10)), "amount-unknown"),
        ("1", "fixed_quantity", Terms(collar_percent=Decimal(2)), "collar-price-unknown"),
        ("1000", "dollar_amount", Terms(), "price-required"),
    ],
)
def test_a_quote_that_is_not_live_prices_nothing_and_the_refusal_says_what_it_is(
    flags: str, quantity: str, kind: str, terms: Terms, code: str
) -> None:
    asked = message("buy", quantity, quantity_type=kind)
    fresh = Quote(bid=Decimal("99.99"), ask=Decimal("100.01"), last=Decimal(100), as_of=NOW, flags=flags)
    refused = decide(asked, terms, replace(snapshot(), quote=fresh), NOW)
    assert isinstance(refused, Rejection)
    assert refused.code == code
    assert refused.reason.endswith(fresh.caution("AAPL"))
    live = decide(asked, terms, replace(snapshot(), quote=replace(fresh, flags="RpB")), NOW)
    assert getattr(live, "code", "") != code


@pytest.mark.parametrize(("position", "action", "quantity", "terms", "expected"), ROWS)
def test_it_plans(
    position: str, action: str, quantity: str | None, terms: Terms, expected: tuple[str, Role, Side, str]
) -> None:
    plan = decide(message(action, quantity), terms, snapshot(position), NOW)
    assert isinstance(plan, Plan)
    (intent,) = plan.intents
    assert (plan.rule, intent.role, intent.side, str(intent.quantity)) == expected
    assert plan.reason.endswith(".")


@pytest.mark.parametrize(("position", "action", "quantity", "terms", "rule", "code"), REFUSED)
def test_it_rejects(position: str, action: str, quantity: str | None, terms: Terms, rule: str, code: str) -> None:
    rejection = decide(message(action, quantity), terms, snapshot(position), NOW)
    assert isinstance(rejection, Rejection)
    assert (rejection.rule, rejection.code) == (rule, code)
    assert rejection.reason.endswith(".")


def test_a_limit_is_put_on_the_tick_grid_up_for_a_sell_and_down_for_a_buy() -> None:
    for action, expected in (("buy", "100.12"), ("sell", "100.13")):
        plan = decide(
            message(action, "1", order=OrderShape(type="limit", limit=Decimal("100.125"))), Terms(), snapshot(), NOW
        )
        assert isinstance(plan, Plan)
        assert plan.intents[0].limit_price == Decimal(expected)


def test_the_signal_price_is_the_limit_only_of_a_limit_order() -> None:
    limit = decide(
        message("buy", "1", order=OrderShape(type="limit"), signal_price=Decimal(99)), Terms(), snapshot(), NOW
    )
    market = decide(message("buy", "1", signal_price=Decimal(99)), Terms(), snapshot(), NOW)
    assert isinstance(limit, Plan)
    assert isinstance(market, Plan)
    assert limit.intents[0].limit_price == Decimal(99)
    assert (market.intents[0].type, market.intents[0].limit_price) == (OrderType.MARKET, None)


def test_what_is_leaving_already_does_not_leave_twice() -> None:
    part = decide(message("exit"), Terms(), snapshot("10", working(Role.EXIT, Side.SELL, "4")), NOW)
    nothing = decide(message("exit"), Terms(), snapshot("10", working(Role.EXIT, Side.SELL, "10")), NOW)
    assert isinstance(part, Plan)
    assert part.intents[0].quantity == 6
    assert isinstance(nothing, Rejection)
    assert nothing.code == "already-exiting"


def test_a_second_entry_waits_its_turn_where_adding_is_not_allowed() -> None:
    busy = snapshot("0", working(Role.ENTRY, Side.BUY, "1"))
    rejection = decide(message("buy", "1"), Terms(), busy, NOW)
    assert isinstance(rejection, Rejection)
    assert rejection.code == "entry-already-working"
    assert isinstance(decide(message("buy", "1"), Terms(allow_add=True), busy, NOW), Plan)


def test_an_exit_lives_longer_than_an_entry() -> None:
    old = NOW - timedelta(seconds=90)
    entry = decide(message("buy", "1"), Terms(), snapshot(), NOW, received_at=old)
    leaving = decide(message("exit"), Terms(), snapshot("5"), NOW, received_at=old)
    assert isinstance(entry, Rejection)
    assert entry.code == "stale-signal"
    assert isinstance(leaving, Plan)


QUANTITIES = st.decimals("0.1", "5000", places=2)
TERMS = st.builds(
    Terms,
    sides=st.sampled_from(list(Sides)),
    quantity=st.none() | QUANTITIES,
    allow_add=st.booleans(),
    max_quantity=st.none() | st.integers(1, 2000).map(Decimal),
)
WORKING = st.lists(
    st.builds(
        working, st.sampled_from([Role.ENTRY, Role.EXIT]), st.sampled_from(list(Side)), st.integers(1, 500).map(str)
    ),
    max_size=3,
)


@given(
    position=st.integers(-1000, 1000),
    action=st.sampled_from([Action.BUY, Action.SELL, Action.EXIT]),
    quantity=st.none() | QUANTITIES,
    terms=TERMS,
    busy=WORKING,
)
def test_an_exit_never_passes_zero_and_an_entry_never_passes_its_cap(
    position: int, action: Action, quantity: Decimal | None, terms: Terms, busy: list[WorkingOrder]
) -> None:
    asked = replace(message("buy"), action=action, quantity=quantity)
    answer = decide(asked, terms, snapshot(str(position), *busy), NOW)
    if isinstance(answer, Rejection):
        assert answer.reason
        return
    for intent in answer.intents:
        assert intent.quantity > 0
        assert intent.quantity == intent.quantity.to_integral_value()
        if intent.role is Role.EXIT:
            leaving = sum((o.remaining for o in busy if o.role is Role.EXIT and o.side is intent.side), Decimal(0))
            assert intent.side.sign * position < 0
            assert intent.quantity + leaving <= abs(position)
        else:
            assert intent.side.sign * position >= 0
            assert terms.max_quantity is None or intent.quantity <= terms.max_quantity


@given(terms=TERMS)
def test_terms_survive_their_way_through_json(terms: Terms) -> None:
    assert Terms.from_json(terms.to_json()) == terms
