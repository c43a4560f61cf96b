"""Signals that change working orders in place: rows M01 to M08, which orders they mean, and what holds them back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.contracts.lifetimes import in_words
from brokers.domain.orders import Lifetime, OrderStatus, Role, Side, TimeInForce
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards, Halt, Level, LevelGuard
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, quote, shape, snapshot, working

ENTRIES = Guards(halt=Halt.ENTRIES)
EVERYTHING = Guards(halt=Halt.EVERYTHING)
MARKET = quote("100", "100")


def leg(role: str, price: str, reference: str, kind: str = "", **values: Any) -> WorkingOrder:
    """A leg of a long position of ten: a stop at 95, a target at 110."""
    kind = kind or ("stop" if role == "stop_loss" else "limit")
    if kind != "trailing_stop":
        values.setdefault("stop_price" if role == "stop_loss" else "limit_price", Decimal(price))
    return working(role, "sell", values.pop("remaining", 10), reference, kind, **{"parent": "e1", **values})


STOP, TARGET = leg("stop_loss", "95", "s1"), leg("take_profit", "110", "t1")
ENTRY = working("entry", "buy", 10, "e2", "limit", limit_price=Decimal(99))
WAITING_STOP = leg("stop_loss", "90", "s2", parent="e2")


def long(*orders: WorkingOrder, **values: Any) -> Snapshot:
    return snapshot(10, *orders, average_cost=Decimal(98), quote=MARKET, mark=Decimal(100), **values)


def asked(**values: Any) -> Message:
    return message("modify", values.pop("quantity", None), **values)


def stop_at(price: str) -> Message:
    return asked(order=shape(stop=price))


def answer(wanted: Message, book: Snapshot, guards: Guards | None = None, **terms: Any) -> tuple[str, str]:
    made = decide(wanted, Terms(**terms), book, NOW, guards=guards or Guards())
    return (made.rule, drawn(made)) if isinstance(made, Plan) else (made.rule, made.code)


def drawn(plan: Plan) -> str:
    """ "s1 stop 96, t1 limit 112"; nothing else is ever in such a plan."""
    assert not plan.intents
    assert not plan.cancels
    parts = []
    for each in plan.modifications:
        values = {
            "size": each.quantity,
            "limit": each.limit_price,
            "stop": each.stop_price,
            "trail": each.trail_amount,
            "trail%": each.trail_percent,
        }
        changed = [f"{name} {v.normalize():f}" for name, v in values.items() if v is not None]
        changed += [] if each.lifetime is None else [in_words(each.lifetime)]
        parts.append(f"{each.reference} {' '.join(changed)}")
    return ", ".join(parts)


TRAILING = leg("stop_loss", "", "s1", "trailing_stop", trail_amount=Decimal(2))
STOP_LIMIT = leg("stop_loss", "95", "s1", "stop_limit", limit_price=Decimal("94.5"))
STOP_ENTRY = working("entry", "buy", 10, "e2", "stop", stop_price=Decimal(104))
PARTIAL = working("entry", "buy", 6, "e1", "limit", limit_price=Decimal(99), filled=Decimal(4))

DATED = replace(
    ENTRY, time_in_force=TimeInForce.GTD, good_till=NOW + timedelta(days=1), placed_at=NOW - timedelta(days=2)
)
UNDATED: dict[str, Any] = {"time_in_force": TimeInForce.GTC, "good_till": None}
LATE = f"{NOW + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
LATER = in_words(Lifetime(datetime.fromisoformat(LATE)))
NO_DATE = asked(order=shape(tif="gtc"))


def until(end: str) -> Message:
    return asked(order=shape(tif="gtd", good_till=end))


CASES: list[tuple[str, Message, Snapshot, tuple[str, str]]] = [
    ("the stop of a position", stop_at("96"), long(STOP, TARGET), ("M01", "s1 stop 96")),
    ("a stop between ticks", stop_at("96.003"), long(STOP), ("M01", "s1 stop 96.01")),
    ("every stop of a position", stop_at("96"), long(STOP, leg("stop_loss", "94", "s9", parent="e9")),
     ("M01", "s1 stop 96, s9 stop 96")),
    ("the stop by its object", asked(stop_loss=bracket("stopPrice", "96", "stop")), long(STOP), ("M01", "s1 stop 96")),
    ("a stop from the average", asked(stop_loss=bracket("percent", "1")), long(STOP), ("M01", "s1 stop 97.02")),
    ("a stop limit takes its limit along", stop_at("96"), long(STOP_LIMIT), ("M01", "s1 limit 95.5 stop 96")),
    ("stop and target", asked(order=shape(stop="96"), take_profit=bracket("limitPrice", "112")), long(STOP, TARGET),
     ("M01", "s1 stop 96, t1 limit 112")),
    ("a target by the limit", asked(order=shape(limit="112")), long(TARGET), ("M01", "t1 limit 112")),
    ("a trail", asked(order=shape(trail_amount="1.5")), long(TRAILING), ("M01", "s1 trail 1.5")),
    ("another kind of trail", asked(order=shape(trail_percent="1")), long(TRAILING), ("M01", "s1 trail% 1")),
    ("legs of an entry that has filled in part", stop_at("96"), long(PARTIAL, STOP), ("M01", "s1 stop 96")),
    ("legs of an entry where nothing is held", asked(stop_loss=bracket("stopPrice", "92")),
     snapshot(0, ENTRY, WAITING_STOP, quote=MARKET), ("M01", "s2 stop 92")),
    ("not the stop of an addition that waits", stop_at("96"), long(STOP, ENTRY, WAITING_STOP), ("M01", "s1 stop 96")),
    ("an entry at another limit", asked(order=shape(limit="98.5")), snapshot(0, ENTRY, quote=MARKET),
     ("M02", "e2 limit 98.5")),
    ("an entry at another stop", stop_at("105"), snapshot(0, STOP_ENTRY, quote=MARKET), ("M02", "e2 stop 105")),
    ("a smaller entry, its legs first", asked(quantity=4), snapshot(0, ENTRY, WAITING_STOP, quote=MARKET),
     ("M02", "s2 size 4, e2 size 4")),
    ("a larger entry, before its legs", asked(quantity=12), snapshot(0, ENTRY, WAITING_STOP, quote=MARKET),
     ("M02", "e2 size 12, s2 size 12")),
    ("size and limit of one order", asked(quantity=4, order=shape(limit="98")), snapshot(0, ENTRY, quote=MARKET),
     ("M02", "e2 size 4 limit 98")),
    ("flat, nothing works", stop_at("96"), snapshot(0, quote=MARKET), ("M03", "nothing-to-modify")),
    ("nothing to change", asked(), long(STOP), ("M03", "nothing-to-change")),
    ("a position without a stop", stop_at("96"), long(TARGET), ("M03", "nothing-to-modify")),
    ("two entries", asked(order=shape(limit="98")), snapshot(0, ENTRY, replace(ENTRY, reference="e3"), quote=MARKET),
     ("M04", "several-orders-match")),
    ("two targets", asked(take_profit=bracket("limitPrice", "112")), long(TARGET, leg("take_profit", "120", "t2")),
     ("M04", "several-orders-match")),
    ("a stop above the market", stop_at("101"), long(STOP), ("M05", "price-on-wrong-side")),
    ("a target below the market", asked(take_profit=bracket("limitPrice", "99")), long(TARGET), ("M05", "price-on-wrong-side")),
    ("a stop is to trail", asked(order=shape(trail_amount="1")), long(STOP), ("M06", "cannot-be-changed")),
    ("what trails is to stand", stop_at("96"), long(TRAILING), ("M06", "cannot-be-changed")),
    ("a stop on its way", stop_at("96"), long(replace(STOP, status=OrderStatus.SUBMITTED)), ("M06", "not-changeable-now")),
    ("no average price", asked(stop_loss=bracket("percent", "1")), replace(long(STOP), average_cost=None),
     ("M06", "average-price-unknown")),
    ("as it is", stop_at("95"), long(STOP), ("M07", "already-so")),
    ("less than has filled", asked(quantity=4), snapshot(4, PARTIAL, quote=MARKET), ("M08", "quantity-below-filled")),
    ("half a unit", asked(quantity="4.5"), snapshot(0, ENTRY, quote=MARKET), ("M08", "invalid-quantity")),
    ("below one tick", stop_at("-1"), long(STOP), ("P02", "invalid-stop-price")),
    ("a later end", until(LATE), snapshot(0, DATED, quote=MARKET), ("M02", f"e2 {LATER}")),
    ("a date for what had none", until(LATE), snapshot(0, replace(DATED, **UNDATED), quote=MARKET), ("M02", f"e2 {LATER}")),
    ("no date any more", NO_DATE, snapshot(0, DATED, quote=MARKET), ("M02", "e2 good till canceled")),
    ("a day is the exchange's close on it", until("2026-11-27"), snapshot(0, DATED, quote=MARKET),
     ("M02", "e2 good till 2026-11-27 18:00 UTC")),
    ("an end and a limit", asked(order=shape(tif="gtd", good_till=LATE, limit="98")), snapshot(0, DATED, quote=MARKET),
     ("M02", f"e2 limit 98 {LATER}")),
    ("of an exit", until(LATE), long(STOP, replace(DATED, role=Role.EXIT, side=Side.SELL, reference="x1")), ("M02", f"x1 {LATER}")),
    ("all parts of an entry", until(LATE), snapshot(0, *(replace(DATED, ticket="7", reference=name) for name in ("e2", "e3")), quote=MARKET),
     ("M02", f"e2 {LATER}, e3 {LATER}")),
    ("not the order of the day beside it", until(LATE), snapshot(0, ENTRY, replace(DATED, reference="e3"), quote=MARKET),
     ("M02", f"e3 {LATER}")),
    ("two that have a date", until(LATE), snapshot(0, DATED, replace(DATED, reference="e3"), quote=MARKET), ("M04", "several-orders-match")),
    ("only a stop works", until(LATE), long(STOP), ("M03", "nothing-to-modify")),
    ("one that is being canceled", until(LATE), snapshot(0, replace(DATED, status=OrderStatus.PENDING_CANCEL), quote=MARKET),
     ("M03", "nothing-to-modify")),
    ("an order of the day", until(LATE), snapshot(0, ENTRY, quote=MARKET), ("M06", "cannot-be-changed")),
    ("an end that has passed", until(f"{NOW - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"), snapshot(0, DATED, quote=MARKET),
     ("P08", "good-till-date-passed")),
    ("too far from when it was placed", until(LATE),
     snapshot(0, replace(DATED, placed_at=NOW - timedelta(days=88)), quote=MARKET), ("P08", "good-till-date-too-far")),
    ("the end that it has", until(f"{NOW + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"), snapshot(0, DATED, quote=MARKET), ("M07", "already-so")),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "book", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_rules(wanted: Message, book: Snapshot, expected: tuple[str, str]) -> None:
    assert answer(wanted, book) == expected


def test_every_refusal_is_one_helpful_sentence() -> None:
    for _, wanted, book, (_, code) in CASES:
        made = decide(wanted, Terms(), book, NOW)
        if isinstance(made, Rejection):
            assert made.code == code
            assert made.reason[0].isupper()
            assert made.reason.endswith(".")
            assert "AAPL" in made.reason or made.rule in {"M05", "M08", "P02"}


def test_a_plan_says_what_becomes_what() -> None:
    made = decide(stop_at("96"), Terms(), long(STOP), NOW)
    assert made.reason == "Change in place: the stop of 10 shares of AAPL from 95 to 96."


def test_short_is_the_mirror_of_long() -> None:
    stop = replace(STOP, side=STOP.side.opposite, stop_price=Decimal(105))
    book = replace(long(stop), position=Decimal(-10))
    assert answer(stop_at("104"), book, ENTRIES) == ("M01", "s1 stop 104")
    assert answer(stop_at("106"), book, ENTRIES)[1] == "trading-halted"
    assert answer(stop_at("99"), book)[1] == "price-on-wrong-side"


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (stop_at("94"), STOP),
        (asked(order=shape(trail_amount="3")), TRAILING),
        (asked(stop_loss=bracket("stopPrice", "95.5", "stop_limit", "95.4")), STOP_LIMIT),
        (asked(order=shape(limit="99.5")), ENTRY),
        (asked(quantity=11), ENTRY),
        (until(LATE), DATED),
        (NO_DATE, DATED),
    ],
    ids=["further", "wider", "less room", "an entry", "larger", "longer", "without an end"],
)
def test_what_adds_risk_is_held_back_as_entries_are(wanted: Message, order: WorkingOrder) -> None:
    book = long(order) if order.role is not Role.ENTRY else snapshot(0, order, quote=MARKET)
    locked = Guards(lockout_until=NOW + timedelta(hours=1))
    lost = Guards(levels=(LevelGuard(level=Level.TEAM, max_daily_loss=Decimal(5), day_profit=Decimal(-6)),))
    assert answer(wanted, book)[0] in {"M01", "M02"}
    codes = [answer(wanted, book, guards)[1] for guards in (ENTRIES, EVERYTHING, locked, lost)]
    assert codes == ["trading-halted", "trading-halted", "entry-blocked-by-lock", "daily-loss"]
    assert answer(wanted, book, close_only=True)[1] == "close-only"


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (stop_at("96"), STOP),
        (asked(order=shape(trail_amount="1")), TRAILING),
        (asked(quantity=9), ENTRY),
        (until(f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"), DATED),
        (until(LATE), replace(DATED, **UNDATED)),
    ],
    ids=["nearer", "narrower", "smaller entry", "sooner", "a date at last"],
)
def test_what_takes_risk_away_passes_a_stop_of_entries_and_not_a_full_one(wanted: Message, order: WorkingOrder) -> None:
    book = long(order) if order.role is not Role.ENTRY else snapshot(0, order, quote=MARKET)
    assert answer(wanted, book, ENTRIES)[0] in {"M01", "M02"}
    assert answer(wanted, book, EVERYTHING)[1] == "trading-halted"


def test_an_exit_with_a_stop_is_no_looser_than_a_stop() -> None:
    leaves = working("exit", "sell", 10, "x1", "stop", stop_price=Decimal(95))
    assert answer(stop_at("94"), long(leaves), ENTRIES)[1] == "trading-halted"
    assert answer(stop_at("96"), long(leaves), ENTRIES) == ("M02", "x1 stop 96")


def test_a_larger_entry_keeps_to_the_limits_of_size() -> None:
    book = snapshot(0, ENTRY, quote=MARKET)
    assert answer(asked(quantity=11), book, max_quantity=Decimal(10))[1] == "quantity-over-limit"
    assert answer(asked(quantity=11), book, max_position=Decimal(10))[1] == "position-over-limit"
    assert answer(asked(quantity=10), book, max_position=Decimal(10))[1] == "already-so"


def test_a_named_entry_means_its_own_orders() -> None:
    other = leg("stop_loss", "94", "s9", parent="e9")
    named = replace(long(STOP, other), of_entry=("s9",))
    assert answer(stop_at("96"), named) == ("M01", "s9 stop 96")
    nothing = replace(long(STOP), of_entry=())
    made = decide(replace(stop_at("96"), entry_id="A"), Terms(), nothing, NOW)
    assert isinstance(made, Rejection)
    assert made.code == "nothing-to-modify"
    assert "the entry A" in made.reason


def test_entries_of_other_subscriptions_are_not_meant() -> None:
    book = snapshot(0, replace(ENTRY, mine=False), quote=MARKET)
    assert answer(asked(order=shape(limit="98")), book)[1] == "nothing-to-modify"
