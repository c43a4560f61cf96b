"""Lots of the exchanges that have them, and ticks that change with the price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.contracts.rules import ContractRules
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderStatus, OrderType, Role, Side
from brokers.domain.snapshot import Snapshot
from brokers.orders.modifications import checks
from strategies.domain.decide import exits
from strategies.domain.decide.case import Case
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.plan import approval
from strategies.domain.plan.plan import Plan, Terms
from strategies.domain.terms.terms import QuantityType
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, shape, snapshot, working

D = Decimal
TOKYO = ((D(0), D("0.1")), (D(1000), D("0.5")), (D(3000), D(1)), (D(10000), D(5)))
HONG_KONG = ((D(0), D("0.001")), (D("0.25"), D("0.005")), (D("0.5"), D("0.01")), (D(10), D("0.02")), (D(20), D("0.05")))
LOW_PRICED = ((D(0), D("0.0001")), (D(1), D("0.01")))


def of(ticker: str, *, step: int | None = None, currency: str = "JPY", **values: Any) -> Snapshot:
    kind = AssetClass.FOREX if values.pop("pair", False) else AssetClass.STOCK
    contract = Contract(instrument=Instrument(ticker=ticker, asset_class=kind), conid=7, currency=currency, **values)
    rules = None if step is None else ContractRules(size_step=step)
    return snapshot(contract=contract, rules=rules, equity=D(1_000_000), rates={currency: D(1)})


def asked(ticker: str, quantity: int | None, kind: symbols.Kind = symbols.Kind.STOCK, **values: Any) -> Any:
    return message("buy", quantity, symbol=symbols.read(ticker, kind, NOW), **values)


@pytest.mark.parametrize(
    ("ticker", "step", "quantity", "sentence"),
    [
        (
            "TSE:7203",
            100,
            50,
            "TSE:7203 trades in lots of 100, and 50 makes no whole number of them. Send 100 or a multiple of it.",
        ),
        (
            "TSE:7203",
            100,
            250,
            "TSE:7203 trades in lots of 100, and 250 makes no whole number of them. Send 200 or 300.",
        ),
        (
            "HKEX:5",
            400,
            100,
            "HKEX:5 trades in lots of 400, and 100 makes no whole number of them. Send 400 or a multiple of it.",
        ),
        (
            "SGX:D05",
            100,
            1,
            "SGX:D05 trades in lots of 100, and 1 makes no whole number of them. Send 100 or a multiple of it.",
        ),
    ],
)
def test_a_quantity_that_makes_no_whole_lots_is_refused(ticker: str, step: int, quantity: int, sentence: str) -> None:
    refused = decide(asked(ticker, quantity), Terms(), of(ticker, step=step), NOW)
    assert not isinstance(refused, Plan)
    assert (refused.rule, refused.code, refused.reason) == ("S10", "quantity-not-in-lots", sentence)


@pytest.mark.parametrize(
    ("ticker", "step", "quantity"),
    [
        ("TSE:7203", 100, 300),
        # IBKR has not said: it decides.
        ("TSE:7203", None, 50),
        # What its form counts in is no lot elsewhere.
        ("XETR:SAP", 100, 50),
        ("AAPL", 100, 50),
    ],
)
def test_whole_lots_and_what_has_none_are_ordered(ticker: str, step: int | None, quantity: int) -> None:
    plan = decide(asked(ticker, quantity), Terms(), of(ticker, step=step), NOW)
    assert isinstance(plan, Plan)
    assert plan.intents[0].quantity == quantity


def test_a_size_by_money_is_rounded_down_to_whole_lots() -> None:
    terms = Terms(quantity=D(1_000_000), quantity_type=QuantityType.AMOUNT)
    at_3000: dict[str, Any] = {"signal_price": D(3000)}
    plan = decide(asked("TSE:7203", None, **at_3000), terms, of("TSE:7203", step=100), NOW)
    assert isinstance(plan, Plan)
    assert plan.intents[0].quantity == 300
    small = Terms(quantity=D(100_000), quantity_type=QuantityType.AMOUNT)
    refused = decide(asked("TSE:7203", None, **at_3000), small, of("TSE:7203", step=100), NOW)
    assert not isinstance(refused, Plan)
    assert refused.code == "quantity-not-in-lots"


def test_what_is_held_beside_its_lots_may_leave() -> None:
    held = of("TSE:7203", step=100)
    plan = decide(
        message("exit", symbol=symbols.read("TSE:7203", symbols.Kind.STOCK, NOW)),
        Terms(),
        snapshot(50, contract=held.contract, rules=held.rules),
        NOW,
    )
    assert isinstance(plan, Plan)
    assert plan.intents[0].quantity == 50


def part_of(held: int, quantity: int) -> Any:
    of_lots = of("TSE:7203", step=100)
    sent = message("exit", quantity, symbol=symbols.read("TSE:7203", symbols.Kind.STOCK, NOW))
    return decide(sent, Terms(), snapshot(held, contract=of_lots.contract, rules=of_lots.rules), NOW)


@pytest.mark.parametrize(
    ("held", "quantity", "leaves"), [(300, 150, 100), (300, 299, 200), (350, 350, 350), (50, 80, 50)]
)
def test_a_part_leaves_in_whole_lots_and_all_of_it_as_it_is(held: int, quantity: int, leaves: int) -> None:
    plan = part_of(held, quantity)
    assert isinstance(plan, Plan)
    assert plan.intents[0].quantity == leaves


def test_a_part_of_less_than_one_lot_is_refused_with_what_fits() -> None:
    refused = part_of(300, 50)
    assert not isinstance(refused, Plan)
    sentence = (
        "TSE:7203 trades in lots of 100, and the part to exit is 50. Send 100 or more, or no quantity to exit all."
    )
    assert (refused.rule, refused.code, refused.reason) == ("S10", "quantity-not-in-lots", sentence)


def test_where_there_are_no_lots_a_part_that_is_no_whole_number_still_leaves() -> None:
    way_out = exits.plan_exit(Case(message("exit"), Terms(), snapshot("10.5"), NOW), D("0.5"))
    assert isinstance(way_out, exits.WayOut)
    assert way_out.intent.quantity == D("0.5")


def test_a_signal_changes_a_size_to_whole_lots_only() -> None:
    seen = of("TSE:7203", step=100)
    entry = working("entry", "buy", 300, limit_price=D(3000))

    def answer(quantity: int) -> Any:
        sent = message("modify", quantity, symbol=symbols.read("TSE:7203", symbols.Kind.STOCK, NOW))
        shown = snapshot(0, entry, contract=seen.contract, rules=seen.rules, rates={"JPY": D("0.0065")})
        return decide(sent, Terms(), shown, NOW)

    refused = answer(150)
    assert not isinstance(refused, Plan)
    assert (refused.rule, refused.code) == ("S10", "quantity-not-in-lots"), refused.reason
    plan = answer(200)
    assert isinstance(plan, Plan), plan.reason
    assert plan.modifications[0].quantity == 200


def test_a_person_changes_a_size_to_whole_lots_only() -> None:
    subject = checks.Subject(
        role=Role.ENTRY,
        side=Side.BUY,
        type=OrderType.LIMIT,
        status=OrderStatus.ACCEPTED,
        quantity=D(300),
        filled=D(0),
        lot=100,
    )
    checks.check(subject, {"quantity": D(200)}, {})
    with pytest.raises(checks.NotChangeable, match=r"in lots of 100. Fill in a multiple of 100"):
        checks.check(subject, {"quantity": D(150)}, {})


def test_an_approver_makes_an_entry_smaller_by_whole_lots() -> None:
    seen = of("TSE:7203", step=100)
    plan = decide(asked("TSE:7203", 300), Terms(), seen, NOW)
    assert isinstance(plan, Plan)
    refused = approval.smaller(plan, D(150), seen, NOW, D(3000))
    assert not isinstance(refused, Plan)
    assert (refused.rule, refused.reason) == ("A04", "TSE:7203 trades in lots of 100. Approve a multiple of that.")
    less = approval.smaller(plan, D(200), seen, NOW, D(3000))
    assert isinstance(less, Plan)
    assert less.intents[0].quantity == 200


@pytest.mark.parametrize(
    ("ticker", "bands", "currency", "sent", "limit"),
    [
        ("TSE:7203", TOKYO, "JPY", "2950.7", "2950.5"),
        ("TSE:7203", TOKYO, "JPY", "3050.7", "3050"),
        ("TSE:9984", TOKYO, "JPY", "10003", "10000"),
        ("HKEX:700", HONG_KONG, "HKD", "0.2567", "0.255"),
        ("HKEX:700", HONG_KONG, "HKD", "19.99", "19.98"),
        ("HKEX:700", HONG_KONG, "HKD", "20.04", "20"),
        ("AAPL", LOW_PRICED, "USD", "0.12345", "0.1234"),
        ("AAPL", LOW_PRICED, "USD", "1.2345", "1.23"),
    ],
)
def test_a_price_is_rounded_to_the_tick_that_counts_there(
    ticker: str, bands: Any, currency: str, sent: str, limit: str
) -> None:
    seen = of(ticker, currency=currency, increments=bands, tick=bands[-1][1])
    plan = decide(asked(ticker, 100, order=shape("limit", limit=sent)), Terms(), seen, NOW)
    assert isinstance(plan, Plan)
    assert plan.intents[0].limit_price == D(limit)


def test_a_pair_in_yen_has_the_tick_of_yen() -> None:
    seen = of("USDJPY", pair=True, tick=D("0.005"))
    order = shape("limit", limit="154.1234")
    plan = decide(asked("USDJPY", 30_000, symbols.Kind.FOREX, order=order), Terms(), seen, NOW)
    assert isinstance(plan, Plan)
    assert plan.intents[0].limit_price == D("154.12")


def test_a_price_below_one_tick_is_refused_in_a_sentence() -> None:
    seen = of("TSE:7203", increments=TOKYO, tick=D(5))
    refused = decide(asked("TSE:7203", 100, order=shape("limit", limit="0.05")), Terms(), seen, NOW)
    assert not isinstance(refused, Plan)
    assert (refused.rule, refused.code) == ("P02", "invalid-limit-price")
    assert "below one tick of 0.1" in refused.reason


def test_legs_stand_on_the_ticks_of_their_own_prices() -> None:
    seen = of("TSE:7203", increments=TOKYO, tick=D(5))
    stop = bracket("stopPrice", "2950.6")
    plan = decide(asked("TSE:7203", 100, stop_loss=stop, order=shape("limit", limit="3050.7")), Terms(), seen, NOW)
    assert isinstance(plan, Plan)
    (entry,) = plan.intents
    assert (entry.limit_price, entry.then[0].stop_price) == (D(3050), D(2951))
