"""The rules of docs/trading-rules.md, row by row, and every row of buys and sells in the mirror as well."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.domain.orders import OrderStatus, OrderType
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import ExitUnfilled, Sides, Terms, WorkingEntry
from strategies.domain.terms.windows import Window
from strategies.tests.domain.cases_of_decide import NOW, bracket, drawn, message, quote, shape, snapshot, working

FULL: dict[str, Any] = {"allow_swap": True, "quantity": Decimal(7)}
SUB: dict[str, Any] = {**FULL, "subtract_exit_quantity": True}
OTHER: dict[str, Any] = {
    "buy": "sell",
    "sell": "buy",
    "bullish": "bearish",
    "bearish": "bullish",
    Sides.BULLISH: Sides.BEARISH,
    Sides.BEARISH: Sides.BULLISH,
}

# rule, position, action, sentiment, quantity, terms -> the plan as one line, or the code of the rejection
TRADES: list[tuple[str, int, str, str | None, int | None, dict[str, Any], str]] = [
    ("D01", 0, "buy", None, 10, {}, "entry buy 10"),
    ("D01", 0, "buy", "bullish", 10, {"sides": Sides.BULLISH}, "entry buy 10"),
    ("D01", 0, "buy", None, None, {"quantity": Decimal(7)}, "entry buy 7"),
    ("D02", 0, "buy", None, 10, {"sides": Sides.BEARISH}, "side-not-allowed"),
    ("D02", 0, "buy", "bullish", 10, {"sides": Sides.NONE}, "side-not-allowed"),
    ("D03", 0, "buy", "flat", 10, {}, "no-entry-sentiment"),
    ("D04", 0, "buy", "bearish", 10, {}, "nothing-to-reduce"),
    ("D05", 5, "buy", None, 10, {}, "position-already-open"),
    ("D05", 5, "buy", "bullish", 10, {}, "position-already-open"),
    ("D06", 5, "buy", None, 10, {"allow_add": True}, "entry buy 10"),
    ("D06", 5, "buy", "bullish", None, {"allow_add": True, "quantity": Decimal(2)}, "entry buy 2"),
    ("D07", 5, "buy", "flat", 2, {}, "exit sell 5"),
    ("D08", 5, "buy", "bearish", 2, {"allow_add": True}, "sentiment-conflict"),
    ("D09", -5, "buy", None, None, FULL, "exit buy 5 > entry buy 7"),
    ("D10", -5, "buy", None, 8, FULL, "exit buy 5 > entry buy 8"),
    ("D10", -5, "buy", None, 5, FULL, "exit buy 5 > entry buy 5"),
    ("D11", -5, "buy", None, 8, SUB, "exit buy 5 > entry buy 3"),
    ("D12", -5, "buy", None, 5, SUB, "exit buy 5"),
    ("D13", -5, "buy", None, 2, FULL, "exit buy 2"),
    ("D13", -5, "buy", None, 2, {}, "exit buy 2"),
    ("D14", -5, "buy", "bullish", 2, FULL, "exit buy 5 > entry buy 2"),
    ("D14", -5, "buy", "bullish", None, FULL, "exit buy 5 > entry buy 7"),
    ("D14", -5, "buy", "bullish", 8, SUB, "exit buy 5 > entry buy 3"),
    ("D14", -5, "buy", "bullish", 2, SUB, "exit buy 5"),
    ("D15", -5, "buy", None, None, {}, "exit buy 5"),
    ("D15", -5, "buy", None, 9, {}, "exit buy 5"),
    ("D15", -5, "buy", "bullish", 2, {}, "exit buy 5"),
    ("D16", -5, "buy", "flat", 2, FULL, "exit buy 5"),
    ("D17", -5, "buy", "bearish", 2, FULL, "exit buy 2"),
    ("D18", -5, "buy", "bearish", 5, FULL, "exit buy 5"),
    ("D18", -5, "buy", "bearish", None, FULL, "exit buy 5"),
    ("D19", -5, "buy", None, 8, {**FULL, "sides": Sides.BULLISH}, "exit buy 5 > entry buy 8"),
    ("D15", -5, "buy", None, 8, {"sides": Sides.BULLISH}, "exit buy 5"),
    ("D20", -5, "buy", None, 8, {**FULL, "sides": Sides.BULLISH, "isolate_sides": True}, "side-isolated"),
    ("D21", -5, "buy", None, 8, {**FULL, "sides": Sides.BEARISH}, "exit buy 5"),
    ("D21", -5, "buy", "bullish", 8, {**FULL, "sides": Sides.NONE}, "exit buy 5"),
    ("D22", -5, "buy", None, 8, {**FULL, "ignore_exits": True}, "exit-ignored"),
    ("D22", -5, "buy", "flat", None, {"ignore_exits": True}, "exit-ignored"),
    ("D06", 5, "buy", None, 8, {"allow_add": True, "ignore_exits": True}, "entry buy 8"),
]


def answer(reading: Plan | Rejection) -> tuple[str, str]:
    assert reading.reason.endswith("."), reading.reason
    return (reading.rule, drawn(reading)) if isinstance(reading, Plan) else (reading.rule, reading.code)


@pytest.mark.parametrize(("rule", "position", "action", "sentiment", "quantity", "terms", "expected"), TRADES)
def test_a_buy_is_decided_by_the_table(
    rule: str,
    position: int,
    action: str,
    sentiment: str | None,
    quantity: int | None,
    terms: dict[str, Any],
    expected: str,
) -> None:
    asked = message(action, quantity, sentiment=sentiment)
    assert answer(decide(asked, Terms(**terms), snapshot(position), NOW)) == (rule, expected)


@pytest.mark.parametrize(("rule", "position", "action", "sentiment", "quantity", "terms", "expected"), TRADES)
def test_a_sell_is_decided_by_its_mirror(
    rule: str,
    position: int,
    action: str,
    sentiment: str | None,
    quantity: int | None,
    terms: dict[str, Any],
    expected: str,
) -> None:
    asked = message(OTHER[action], quantity, sentiment=OTHER.get(sentiment or "", sentiment))
    mirrored = Terms(**{**terms, "sides": OTHER.get(terms.get("sides", ""), terms.get("sides", Sides.BOTH))})
    swapped = re.sub(r"\b(buy|sell)\b", lambda match: OTHER[match[0]], expected)
    assert answer(decide(asked, mirrored, snapshot(-position), NOW)) == (f"{rule}s", swapped)


ENTRY = working("entry", "buy", 3, "e1")
STOP = working("stop_loss", "sell", 10, "s1", "stop", stop_price=Decimal(95), parent="e0")
PROFIT = working("take_profit", "sell", 10, "p1", limit_price=Decimal(120), parent="e0")
STOP_NEARER = working("stop_loss", "sell", 4, "s2", "stop", stop_price=Decimal(97))
STOP_BESIDE = working("stop_loss", "sell", 4, "s2", "stop", stop_price=Decimal(95), parent="x1")
CANCEL: dict[str, Any] = {"cancel_orders": True}
BREAKEVEN: dict[str, Any] = {"exit_order_type": OrderType.STOP}

# rule, position (with what works), message, terms -> the plan as one line, or the code of the rejection
OTHERS: list[tuple[str, Any, Message, dict[str, Any], str]] = [
    ("D24", snapshot(5), message("exit"), {}, "exit sell 5"),
    ("D24", snapshot(-5), message("exit"), {}, "exit buy 5"),
    ("D24", snapshot("2.5"), message("exit"), {}, "exit sell 2.5"),
    ("D25", snapshot(5), message("exit", 2), {}, "exit sell 2"),
    ("D25", snapshot(5), message("exit", "0.4"), {}, "exit-quantity-zero"),
    ("D26", snapshot(5), message("exit", 9), {}, "exit sell 5"),
    ("D26", snapshot(-5), message("exit", 5), {}, "exit buy 5"),
    ("D27", snapshot(50), message("exit", 10, quantity_type="percent_of_position"), {}, "exit sell 5"),
    ("D27", snapshot(5), message("exit", 10, quantity_type="percent_of_position"), {}, "exit-quantity-zero"),
    ("D27", snapshot(-5), message("buy", 100, quantity_type="percent_of_position"), FULL, "exit buy 5"),
    ("D28", snapshot(), message("exit"), {}, "nothing-to-exit"),
    ("D28", snapshot(0, ENTRY), message("exit"), {}, "nothing-to-exit"),
    ("D29", snapshot(0, ENTRY), message("exit"), CANCEL, "cancel e1"),
    ("D29", snapshot(0, ENTRY), message("exit", cancel=True), {}, "cancel e1"),
    ("D28", snapshot(0, ENTRY), message("exit", cancel=False), CANCEL, "nothing-to-exit"),
    ("D02", snapshot(0, ENTRY), message("buy", 1), {**CANCEL, "sides": Sides.BEARISH}, "cancel e1"),
    ("D30", snapshot(-5), message("exit"), {"sides": Sides.BULLISH, "isolate_sides": True}, "side-isolated"),
    ("D24", snapshot(-5), message("exit"), {"sides": Sides.BULLISH}, "exit buy 5"),
    ("D31", snapshot(5), message("add", 3), {}, "entry buy 3"),
    ("D31", snapshot(-5), message("add"), {"quantity": Decimal(2), "sides": Sides.NONE}, "entry sell 2"),
    ("D32", snapshot(), message("add", 3), {}, "nothing-to-add-to"),
    ("D33", snapshot(10, ENTRY, STOP, PROFIT), message("cancel"), {}, "cancel e1 s1 p1"),
    ("D33", snapshot(10, ENTRY, STOP), message("cancel", cancel_order_type="stop"), {}, "cancel s1"),
    ("D33", snapshot(0, ENTRY), message("cancel", cancel_order_type="stop"), {}, "nothing-to-cancel"),
    ("D33", snapshot(), message("cancel"), {}, "nothing-to-cancel"),
    ("D34", snapshot(5), message("reverse", 8), {"sides": Sides.BULLISH}, "exit sell 5 > entry sell 8"),
    ("D34", snapshot(-5), message("reverse"), {"quantity": Decimal(2)}, "exit buy 5 > entry buy 2"),
    ("D34", snapshot(-5), message("reverse"), {}, "exit buy 5 > entry buy 5"),
    ("D35", snapshot(), message("reverse", 8), {}, "nothing-to-reverse"),
    ("D36", snapshot(10, average_cost=Decimal(100)), message("breakeven"), BREAKEVEN, "stop_loss sell 10 stop 100"),
    (
        "D36",
        snapshot(-10, average_cost=Decimal(100)),
        message("breakeven", breakeven_offset=Decimal(1)),
        BREAKEVEN,
        "stop_loss buy 10 stop 99",
    ),
    (
        "D36",
        snapshot(10, STOP, PROFIT, average_cost=Decimal(100)),
        message("breakeven", order=shape("stop_limit", limit=99)),
        {},
        "cancel s1 p1 | stop_loss sell 10 limit 99 stop 100 / take_profit sell 10 limit 120",
    ),
    ("D37", snapshot(), message("breakeven"), BREAKEVEN, "nothing-to-protect"),
    ("D37", snapshot(10, average_cost=Decimal(100)), message("breakeven"), {}, "breakeven-order-type-required"),
    ("D37", snapshot(10), message("breakeven"), BREAKEVEN, "average-price-unknown"),
    (
        "D37",
        snapshot(10, average_cost=Decimal(100), mark=Decimal(90)),
        message("breakeven"),
        BREAKEVEN,
        "breakeven-not-reached",
    ),
    ("D38", snapshot(0, ENTRY), message("buy", 4), CANCEL, "cancel e1 | entry buy 4"),
    ("D38s", snapshot(0, ENTRY), message("sell", 4), CANCEL, "cancel e1 | entry sell 4"),
    ("D39", snapshot(0, ENTRY), message("buy", 4), {}, "cancel e1 | entry buy 4"),
    ("D39", snapshot(0, ENTRY), message("buy", 4), {"working_entry": WorkingEntry.REJECT}, "entry-already-working"),
    ("D01", snapshot(0, ENTRY), message("buy", 4), {"working_entry": WorkingEntry.KEEP}, "entry buy 4"),
    ("D39", snapshot(0, working("entry", "buy", 3, "e1", "market")), message("buy", 4), {}, "entry-already-working"),
    ("D01", snapshot(0, working("entry", "buy", 3, mine=False)), message("buy", 4), {}, "entry buy 4"),
    ("D24", snapshot(10, STOP, PROFIT), message("exit"), {}, "cancel s1 p1 | exit sell 10"),
    ("D15s", snapshot(10, STOP), message("sell"), {}, "cancel s1 | exit sell 10"),
    (
        "D25",
        snapshot(10, STOP, PROFIT),
        message("exit", 4),
        {},
        "s1 to 6 | p1 to 6 | exit sell 4",
    ),
    (
        "D24",
        snapshot(10, STOP, PROFIT),
        message("exit", order=shape("limit", limit=110)),
        {},
        "cancel s1 p1 | exit sell 10 limit 110 / stop_loss sell 10 stop 95",
    ),
    (
        "D25",
        snapshot(10, STOP, PROFIT),
        message("exit", 4, order=shape("limit", limit=110)),
        {},
        "s1 to 6 | p1 to 6 | exit sell 4 limit 110 / stop_loss sell 4 stop 95",
    ),
    (
        "D24",
        snapshot(10, STOP),
        message("exit", order=shape("stop_limit", stop=98, limit=97)),
        {},
        "cancel s1 | exit sell 10 limit 97 stop 98 / stop_loss sell 10 stop 95",
    ),
    (
        "D25",
        snapshot(10, working("stop_loss", "sell", 6, "s1", "stop", stop_price=Decimal(90)), STOP_NEARER),
        message("exit", 4, order=shape("limit", limit=110)),
        {},
        "s1 to 2 | exit sell 4 limit 110 / stop_loss sell 4 stop 97",
    ),
    (
        "D24",
        snapshot(10, working("exit", "sell", 4, "x1"), STOP_BESIDE),
        message("exit"),
        {},
        "cancel x1 s2 | exit sell 10",
    ),
    (
        "D25",
        snapshot(10, working("exit", "sell", 4, "x1"), STOP_BESIDE),
        message("exit", 2),
        {},
        "exit sell 2",
    ),
    ("D25", snapshot(15, STOP), message("exit", 4), {}, "exit sell 4"),
    ("D25", snapshot(10, STOP), message("exit", 4), CANCEL, "s1 to 6 | exit sell 4"),
    (
        "D24",
        snapshot(10, working("entry", "buy", 3, "e1", filled=Decimal(7))),
        message("exit"),
        {},
        "cancel e1 | exit sell 10",
    ),
    ("D40", snapshot(10, working("exit", "sell", 10, kind="market")), message("exit"), {}, "already-exiting"),
    ("D40", snapshot(10, working("exit", "sell", 10)), message("exit", 4), {}, "already-exiting"),
    ("D24", snapshot(10, working("exit", "sell", 10)), message("exit"), {}, "cancel w1 | exit sell 10"),
    ("D24", snapshot(10, working("exit", "sell", 4, kind="market")), message("exit"), {}, "exit sell 6"),
    ("D25", snapshot(10, working("exit", "sell", 4)), message("exit", 9), {}, "exit sell 6"),
    ("D24", snapshot(10, working("exit", "sell", 4)), message("exit", cancel=True), {}, "cancel w1 | exit sell 10"),
]


@pytest.mark.parametrize(("rule", "book", "asked", "terms", "expected"), OTHERS)
def test_other_actions_and_working_orders_are_decided_by_the_table(
    rule: str, book: Any, asked: Message, terms: dict[str, Any], expected: str
) -> None:
    assert answer(decide(asked, Terms(**terms), book, NOW)) == (rule, expected)


MORNING = Window(days=(0, 1, 2, 3, 4), start=NOW.replace(hour=9).time(), end=NOW.replace(hour=10).time(), zone="UTC")
CLOSED: dict[str, Any] = {"windows": (MORNING,)}
EXITS_RUN: dict[str, Any] = {**CLOSED, "exits_outside_windows": True}
LOCKED = Guards(lockout_until=NOW + timedelta(hours=1))
WIDE = quote("99", "101")


# rule, position, message, terms, guards -> the plan as one line, or the code of the rejection
HELD_BACK: list[tuple[str, Any, Message, dict[str, Any], Guards, str]] = [
    ("D42", snapshot(), message("buy", 1), CLOSED, Guards(), "outside-trading-window"),
    ("D42", snapshot(5), message("exit"), CLOSED, Guards(), "outside-trading-window"),
    ("D42", snapshot(), message("buy", 1), EXITS_RUN, Guards(), "outside-trading-window"),
    ("D24", snapshot(5), message("exit"), EXITS_RUN, Guards(), "exit sell 5"),
    ("D09", snapshot(-5), message("buy"), {**EXITS_RUN, **FULL}, Guards(), "exit buy 5"),
    ("D01", snapshot(), message("buy", 1, ignore_trading_windows=True), CLOSED, Guards(), "entry buy 1"),
    ("D43", snapshot(), message("buy", 1), {}, LOCKED, "entry-blocked-by-lock"),
    ("D24", snapshot(5), message("exit"), {}, LOCKED, "exit sell 5"),
    ("D34", snapshot(5), message("reverse"), {}, LOCKED, "exit sell 5"),
    (
        "D44",
        snapshot(quote=WIDE),
        message("buy", 1),
        {"spread_amount": Decimal(1)},
        Guards(),
        "bid-ask-spread-filter-exceeded",
    ),
    (
        "D44",
        snapshot(quote=WIDE),
        message("buy", 1, bid_ask_spread_filter_percent=Decimal("1.9")),
        {},
        Guards(),
        "bid-ask-spread-filter-exceeded",
    ),
    ("D01", snapshot(quote=WIDE), message("buy", 1), {"spread_amount": Decimal(2)}, Guards(), "entry buy 1"),
    ("D01", snapshot(), message("buy", 1), {"spread_amount": Decimal(0)}, Guards(), "entry buy 1"),
    (
        "D09",
        snapshot(-5, quote=WIDE),
        message("buy"),
        {**FULL, "spread_amount": Decimal(1), "exit_spread_amount": Decimal(9)},
        Guards(),
        "exit buy 5",
    ),
]


@pytest.mark.parametrize(("rule", "book", "asked", "terms", "guards", "expected"), HELD_BACK)
def test_windows_lockouts_and_spreads_hold_back_what_they_should(
    rule: str, book: Any, asked: Message, terms: dict[str, Any], guards: Guards, expected: str
) -> None:
    assert answer(decide(asked, Terms(**terms), book, NOW, guards=guards)) == (rule, expected)


def test_an_inverted_put_is_sold_on_a_buy() -> None:
    put = Symbol(Kind.OPTION, "SPY 261218P600", "SPY", {"right": "P"})
    asked = message("buy", 1, symbol=put)
    assert answer(decide(asked, Terms(), snapshot(), NOW)) == ("D01", "entry buy 1")
    assert answer(decide(asked, Terms(invert_puts=True), snapshot(), NOW)) == ("D01s", "entry sell 1")


def test_a_flips_entry_waits_for_its_exit_and_only_so_long() -> None:
    plan = decide(
        message("buy"), Terms(**FULL, exit_unfilled=ExitUnfilled.CANCEL, exit_wait_seconds=90), snapshot(-5), NOW
    )
    assert isinstance(plan, Plan)
    assert (plan.intents[0].cancel_after, plan.intents[0].then[0].leave_within) == (90, 60 + 90)


def test_a_signal_that_closes_the_wrong_side_gives_way_to_a_newer_one_that_opened_it() -> None:
    asked = message("buy", sentiment="flat", signal_time=NOW)
    newer = decide(asked, Terms(), snapshot(5, opened_at=NOW), NOW)
    older = decide(asked, Terms(), snapshot(5, opened_at=NOW - timedelta(seconds=1)), NOW)
    assert (answer(newer), answer(older)[1]) == (("D07", "superseded-signal"), "exit sell 5")


TARGETS: list[tuple[int, int, dict[str, Any], tuple[str, str]]] = [
    (5, 5, {}, ("D49", "target-reached")),
    (5, 2, {}, ("D50", "exit sell 3")),
    (5, 0, {}, ("D50", "exit sell 5")),
    (-5, -2, {}, ("D50", "exit buy 3")),
    (0, 4, {}, ("D51", "entry buy 4")),
    (2, 4, {}, ("D51", "entry buy 2")),
    (0, -4, {}, ("D51", "entry sell 4")),
    (0, -4, {"sides": Sides.BULLISH}, ("D51", "side-not-allowed")),
    (5, -4, {"allow_swap": True}, ("D52", "exit sell 5 > entry sell 4")),
    (5, -4, {}, ("D52", "exit sell 5")),
]


@pytest.mark.parametrize(("position", "target", "terms", "expected"), TARGETS)
def test_a_target_orders_what_is_missing(
    position: int, target: int, terms: dict[str, Any], expected: tuple[str, str]
) -> None:
    asked = message("buy", target_quantity=Decimal(target))
    assert answer(decide(asked, Terms(**terms), snapshot(position), NOW)) == expected


@pytest.mark.parametrize(
    ("order", "target", "expected"),
    [
        (ENTRY, 5, ("D49", "cancel e1")),
        (ENTRY, 8, ("D51", "cancel e1 | entry buy 3")),
        (ENTRY, 2, ("D50", "cancel e1 | exit sell 3")),
        (working("entry", "buy", 3, "e1", "market"), 8, ("D49", "target-reached")),
        (working("entry", "buy", 3, "e1", "market"), 9, ("D49", "position-is-moving")),
    ],
)
def test_a_target_is_not_passed_by_what_works_already(order: Any, target: int, expected: tuple[str, str]) -> None:
    asked = message("buy", target_quantity=Decimal(target))
    assert answer(decide(asked, Terms(allow_add=True), snapshot(5, order), NOW)) == expected


def test_a_cancel_keeps_the_windows_like_an_exit() -> None:
    book = snapshot(0, ENTRY)
    assert answer(decide(message("cancel"), Terms(**CLOSED), book, NOW))[1] == "outside-trading-window"
    assert answer(decide(message("cancel"), Terms(**EXITS_RUN), book, NOW)) == ("D33", "cancel e1")


def test_an_order_that_is_being_canceled_is_waited_for() -> None:
    going = working("entry", "buy", 3, "e1", status=OrderStatus.PENDING_CANCEL)
    plan = decide(message("buy", 4), Terms(), snapshot(0, going), NOW)
    assert answer(plan) == ("D39", "cancel e1 | entry buy 4")
    assert answer(decide(message("cancel"), Terms(), snapshot(0, going), NOW)) == ("D33", "nothing-to-cancel")


def test_an_entry_brings_its_legs() -> None:
    asked = message(
        "buy", 4, stop_loss=bracket("percent", 5), take_profit=bracket("amount", 3), signal_price=Decimal(100)
    )
    assert answer(decide(asked, Terms(), snapshot(), NOW)) == (
        "D01",
        "entry buy 4 + stop_loss sell 4 stop 95 + take_profit sell 4 limit 103",
    )


def test_every_rule_has_its_sentence_in_the_document() -> None:
    root = Path(__file__).resolve().parents[3]
    documented = set(re.findall(r"^\| ([A-Z]\d\d) \|", (root / "docs/trading-rules.md").read_text(), re.MULTILINE))
    used = {
        rule
        for path in (root / "strategies/domain").rglob("*.py")
        for rule in re.findall(r'"([DGHMPRSTX]\d\d)s?[{"]', path.read_text())
    }
    assert used - documented == set()
    assert {f"D{number:02}" for number in range(1, 53)} <= documented
