"""Where a stop goes once targets of its entry have filled."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.contracts.stop_moves import Stop, average, in_words, moved
from brokers.domain.orders import Contract, Instrument, MoveTo, OrderType, Side, StopMove

D = Decimal
AAPL = Contract(instrument=Instrument(ticker="AAPL"), conid=1, tick=D("0.05"))


def move(to: str = "break_even", by: str = "0") -> StopMove:
    return StopMove(after=1, to=MoveTo(to), by=D(by))


def stop(price: str | None, side: str = "sell", kind: str = "stop", limit: str | None = None) -> Stop:
    return Stop(
        side=Side(side),
        type=OrderType(kind),
        stop_price=None if price is None else D(price),
        limit_price=None if limit is None else D(limit),
    )


MOVED = [
    ("a long to its average, up to the tick", move(), stop("95"), "100.01", {"stop_price": D("100.05")}),
    ("a short to its average, down to the tick", move(), stop("105", "buy"), "100.04", {"stop_price": D("100.00")}),
    ("a long beyond it", move(by="0.5"), stop("95"), "100", {"stop_price": D("100.50")}),
    ("a short beyond it", move(by="0.5"), stop("105", "buy"), "100", {"stop_price": D("99.50")}),
    ("a stop limit with its limit", move(), stop("95", "sell", "stop_limit", "94"), "100",
     {"stop_price": D("100.00"), "limit_price": D("99.00")}),
    ("trails by an amount", move("trail_amount", "2"), stop("95"), "100", {"trail_amount": D(2)}),
    ("trails by percent", move("trail_percent", "2"), stop("95"), "100", {"trail_percent": D(2)}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "rule", "works", "entered_at", "expected"), MOVED, ids=[case for case, *_ in MOVED])
def test_it_moves(case: str, rule: StopMove, works: Stop, entered_at: str, expected: dict[str, Decimal]) -> None:
    assert moved(rule, works, D(entered_at), AAPL) == expected, case


STAYS = [
    (move(), stop("100"), "closer-already"),
    (move(), stop("101"), "closer-already"),
    (move(), stop("99", "buy"), "closer-already"),
    (move(), stop(None, kind="trailing_stop"), "follows-already"),
    (move("trail_amount", "2"), stop("95", kind="stop_limit", limit="94"), "does-not-trail"),
    (move(), stop("95", kind="stop_limit", limit="-10"), "no-such-price"),
    (move(by="200"), stop("105", "buy"), "no-such-price"),
]


@pytest.mark.parametrize(("rule", "works", "code"), STAYS)
def test_it_stays_where_it_is_and_says_why(rule: StopMove, works: Stop, code: str) -> None:
    answer = moved(rule, works, D(100), AAPL)
    assert isinstance(answer, tuple)
    assert answer[0] == code
    assert answer[1].startswith("It stays")


def test_the_average_is_of_what_has_filled() -> None:
    assert average([(D(3), D(100)), (D(1), D(104)), (D(0), None)]) == D(101)
    assert average([(D(3), D(100)), (D(1), None)]) is None
    assert average([]) is None


def test_it_is_said_in_words() -> None:
    rules = [move(), move(by="0.1"), move("trail_amount", "2"), move("trail_percent", "2.5")]
    assert [in_words(each) for each in rules] == [
        "goes to break-even",
        "goes 0.1 beyond break-even",
        "trails by 2",
        "trails by 2.5 %",
    ]
