"""Every row of the table in the mirror: long and short, buy and sell, above and below a price of 100 exchanged."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import OrderType
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards
from strategies.domain.message.message import Action, Bracket, Ladder, Message
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import ExitUnfilled, Sides, Terms
from strategies.tests.domain.cases_of_decide import NOW, message, snapshot, working
from strategies.tests.domain.test_decide_table import FULL, HELD_BACK, OTHER, OTHERS, TARGETS, TRADES, answer

# Rows that are about two decisions or a broker, not about one: test_sequence.py and test_decisions.py have them.
NOT_OF_ONE_DECISION = {"D23", "D46", "D48"}
ABOUT = Decimal(100)
_SWAPPED = {Action.BUY: Action.SELL, Action.SELL: Action.BUY}
_OF_A_SIDE = {f"D{number:02}" for number in (*range(1, 23), 38, 39)} - {"D22"}


def over(price: Decimal | None) -> Decimal | None:
    """As far on the other side of 100."""
    return None if price is None else 2 * ABOUT - price


def order_over(order: WorkingOrder) -> WorkingOrder:
    return replace(
        order, side=order.side.opposite, limit_price=over(order.limit_price), stop_price=over(order.stop_price)
    )


def quote_over(quote: Quote | None) -> Quote | None:
    return quote and replace(quote, bid=over(quote.ask), ask=over(quote.bid), last=over(quote.last))


def book_over(book: Snapshot) -> Snapshot:
    return replace(
        book,
        position=-book.position,
        working=tuple(map(order_over, book.working)),
        quote=quote_over(book.quote),
        average_cost=over(book.average_cost),
        mark=over(book.mark),
    )


def leg_over(leg: Bracket | Ladder | None) -> Bracket | None:
    assert not isinstance(leg, Ladder)
    absolute = leg is not None and leg.mode in {"limitPrice", "stopPrice"}
    return replace(leg, value=2 * ABOUT - leg.value) if leg is not None and absolute else leg


def message_over(asked: Message) -> Message:
    return replace(
        asked,
        action=_SWAPPED.get(asked.action, asked.action),
        sentiment=OTHER.get(asked.sentiment or "", asked.sentiment),
        target_quantity=None if asked.target_quantity is None else -asked.target_quantity,
        signal_price=over(asked.signal_price),
        order=replace(asked.order, limit=over(asked.order.limit), stop=over(asked.order.stop)),
        stop_loss=leg_over(asked.stop_loss),
        take_profit=leg_over(asked.take_profit),
    )


def terms_over(terms: dict[str, Any]) -> Terms:
    sides = terms.get("sides", Sides.BOTH)
    return Terms(**{**terms, "sides": OTHER.get(sides, sides)})


def line_over(line: str) -> str:
    swapped = re.sub(r"\b(buy|sell)\b", lambda match: OTHER[match[0]], line)
    return re.sub(r"\b(stop|limit) ([\d.]+)", lambda match: f"{match[1]} {2 * ABOUT - Decimal(match[2]):f}", swapped)


def rule_over(rule: str, asked: Message) -> str:
    if rule.endswith("s"):
        return rule[:-1]
    sided = asked.action in _SWAPPED and rule in _OF_A_SIDE
    return f"{rule}s" if sided or (rule == "D22" and asked.action is Action.BUY) else rule


@pytest.mark.parametrize(("rule", "book", "asked", "terms", "expected"), OTHERS)
def test_what_works_already_is_met_alike_on_both_sides(
    rule: str, book: Snapshot, asked: Message, terms: dict[str, Any], expected: str
) -> None:
    decided = decide(message_over(asked), terms_over(terms), book_over(book), NOW)
    assert answer(decided) == (rule_over(rule, asked), line_over(expected))


@pytest.mark.parametrize(("rule", "book", "asked", "terms", "guards", "expected"), HELD_BACK)
def test_what_holds_back_a_buy_holds_back_a_sell(
    rule: str, book: Snapshot, asked: Message, terms: dict[str, Any], guards: Guards, expected: str
) -> None:
    decided = decide(message_over(asked), terms_over(terms), book_over(book), NOW, guards=guards)
    assert answer(decided) == (rule_over(rule, asked), line_over(expected))


@pytest.mark.parametrize(("position", "target", "terms", "expected"), TARGETS)
def test_a_target_is_approached_alike_from_both_sides(
    position: int, target: int, terms: dict[str, Any], expected: tuple[str, str]
) -> None:
    asked = message("sell", target_quantity=Decimal(-target))
    decided = decide(asked, terms_over(terms), snapshot(-position), NOW)
    assert answer(decided) == (expected[0], line_over(expected[1]))


@pytest.mark.parametrize(
    ("asked", "inverted", "line"), [("buy", "D01s", "entry sell 1"), ("sell", "D01", "entry buy 1")]
)
def test_d45_an_inverted_put_goes_the_other_way(asked: str, inverted: str, line: str) -> None:
    put = Symbol(Kind.OPTION, "SPY 261218P600", "SPY", {"right": "P"})
    assert answer(decide(message(asked, 1, symbol=put), Terms(invert_puts=True), snapshot(), NOW)) == (inverted, line)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("policy", "cancel_after", "convert_after"),
    [(ExitUnfilled.KEEP, None, None), (ExitUnfilled.CANCEL, 90, None), (ExitUnfilled.MARKET, None, 90)],
)
def test_d47_a_flips_exit_that_does_not_fill(
    side: int, policy: ExitUnfilled, cancel_after: int | None, convert_after: int | None
) -> None:
    terms = Terms(**FULL, exit_unfilled=policy, exit_wait_seconds=90, exit_order_type=OrderType.LIMIT)
    asked = message("buy" if side < 0 else "sell", signal_price=ABOUT)
    plan = decide(asked, terms, snapshot(5 * side), NOW)
    assert isinstance(plan, Plan)
    (leaving,) = plan.intents
    assert (leaving.cancel_after, leaving.convert_after) == (cancel_after, convert_after)
    assert [child.release for child in leaving.then] == ["after_parent_fills"]
    assert leaving.then[0].leave_within is not None


@pytest.mark.parametrize("side", [1, -1])
def test_d40_a_market_exit_takes_the_place_of_one_that_rests(side: int) -> None:
    way_out, back = ("sell", "buy") if side > 0 else ("buy", "sell")
    resting = working("exit", way_out, 10, "x1", limit_price=Decimal(120))
    market = working("exit", way_out, 10, "x1", "market")
    assert answer(decide(message("exit"), Terms(), snapshot(10 * side, resting), NOW)) == (
        "D24",
        f"cancel x1 | exit {way_out} 10",
    )
    assert answer(decide(message("exit"), Terms(), snapshot(10 * side, market), NOW)) == ("D40", "already-exiting")
    flip = decide(
        message(way_out, 4, sentiment=OTHER["bullish" if side > 0 else "bearish"]),
        Terms(**FULL),
        snapshot(10 * side, resting),
        NOW,
    )
    assert answer(flip)[1] == f"cancel x1 | exit {way_out} 10 > entry {way_out} 4"
    assert back not in answer(flip)[1]


def test_an_entry_of_nothing_does_not_cost_the_exit() -> None:
    """Money that buys fewer than are held, subtracted, with a stop by profit and loss."""
    terms = Terms(
        **{**FULL, "subtract_exit_quantity": True},
        order_type=OrderType.LIMIT,
        exit_order_type=OrderType.MARKET,
        stop_loss=Bracket(mode="pnlAmount", value=Decimal(50)),
    )
    asked = message("buy", 1000, quantity_type="dollar_amount", signal_price=Decimal(100), sentiment="bullish")
    book = snapshot(-10, quote=Quote(bid=Decimal(50), ask=Decimal(50), last=None, as_of=NOW))
    decided = decide(asked, terms, book, NOW)
    assert answer(decided) == ("D14", "exit buy 10")


def test_every_row_has_a_case_on_both_sides() -> None:
    here = {f"D{number}" for number in (40, 41, 45, 47)}
    rows = [row[0] for row in TRADES] + [row[0] for row in OTHERS] + [row[0] for row in HELD_BACK]
    covered = {rule.removesuffix("s") for rule in rows} | {expected[0] for *_, expected in TARGETS} | here
    assert covered >= {f"D{number:02}" for number in range(1, 53)} - NOT_OF_ONE_DECISION
