"""Bodies and frames of a gateway that means harm: bounded work, bounded results, and never an error that nobody expects.

What is asserted is the size of what comes of them, not the time it takes: digits, rows, lengths and depth are what cost.
"""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import BrokerError
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.domain.sessions import Environment
from brokers.ibkr import cleaning, months, numbers, order_rows, outcomes, translate
from brokers.ibkr.answers import check_environment, demand, session_status
from brokers.ibkr.contracts import finding as contracts
from brokers.ibkr.contracts import stocks
from brokers.ibkr.decoding import FRAME, NOT_JSON, READ, WRITE, Bounds, Nonsense, Unpacking, decode
from brokers.ibkr.lines.requests import Answer
from brokers.ibkr.tests.shapes import RAW, SHAPES
from brokers.ibkr.topics import money
from brokers.ibkr.topics.reader import Reader
from brokers.ibkr.topics.wanted import Wanted
from brokers.ibkr.trust import Flow, Trust
from config.tests.samples import samples

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BODIES = samples(5000)


@pytest.mark.long
def _reader() -> Reader:
    """A reader that was asked for everything the shapes hold."""
    wanted = Wanted()
    wanted.want({"DU1"}, {265598})
    return Reader(wanted, lambda: NOW)


def test_no_body_and_no_frame_costs_more_than_it_may() -> None:
    dice, read, refused = random.Random(13), 0, 0
    for number in range(BODIES):
        data = mutated(dice, SHAPES[number % len(SHAPES)])
        # What is read is a value: one that an answer and a frame make alike is understood alike.
        understood: set[str] = set()
        for bounds, exact in ((READ, True), (WRITE, False), (FRAME, True)):
            try:
                body = decode(data, bounds, exact=exact)
            except Nonsense:
                refused += 1
                continue
            read += 1
            if (value := repr(body)) not in understood:
                understood.add(value)
                understand(body)
    # Neither everything nor nothing.
    assert read > BODIES
    assert refused > BODIES // 4


def mutated(dice: random.Random, shape: Any) -> bytes:
    """The shape with hostile values in some places, or cut, or wrapped, or with bytes that are none of it."""
    places: list[str] = []

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked(each) for key, each in value.items()}
        if isinstance(value, list):
            return [marked(each) for each in value] if dice.random() > 0.05 else place()
        return place() if dice.random() < 0.3 else value

    def place() -> str:
        places.append(dice.choice(RAW))
        return f"@{len(places) - 1}@"

    text = json.dumps(marked(shape))
    for index, raw in enumerate(places):
        text = text.replace(f'"@{index}@"', raw)
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    match dice.randrange(12):
        case 0:
            data = data[: dice.randrange(len(data) + 1)]
        case 1:
            data[dice.randrange(len(data))] = dice.randrange(256)
        case 2:
            depth = dice.choice((3, 30, 3000))
            data = bytearray(b"[" * depth + bytes(data) + b"]" * depth)
    return bytes(data)


def understand(body: Any) -> None:
    """Everything that the adapter makes of an answer or a message; only the port's own errors may come of it."""
    outcomes.inactive_without_reason(body)
    made: list[Any] = [outcomes.error_text(body)]
    for status in (200, 400, 429, 500):
        made.append(outcomes.classify(status, body, references=("hy-1",)))
        for ask in (_demanded, session_status):
            try:
                made.append(ask(Answer(status, body)))
            except BrokerError as error:
                made.append(str(error))
    try:
        check_environment(body, Environment.PAPER)
    except BrokerError as error:
        made.append(str(error))
    made += [
        translate.auth_status(body),
        translate.account_facts(body, translate.rows(body)),
        translate.account_summary(body, body),
        translate.permitted(body),
        translate.rate(body),
        money.profit(body),
        _reader().take(body),
    ]
    for row in [
        *translate.rows(body),
        *translate.rows(body, "orders"),
        *translate.rows(body, "args"),
        *translate.rows(body, "secdef"),
    ]:
        made += [
            order_rows.order_facts(row),
            translate.execution_facts(row, now=NOW),
            translate.position_facts(row, account_id="DU1"),
            translate.quote(row, now=NOW),
        ]
        for choose in (_stock, _future):
            try:
                made.append(contracts.described(choose(body), row))
            except BrokerError as error:
                made.append(str(error)[:2000])
    for value in made:
        bounded(value)


def _demanded(answer: Answer) -> str:
    return str(demand(answer))[:9]


def _stock(body: Any) -> Contract:
    return stocks.choose(Instrument(ticker="AAPL"), translate.rows(body))


def _future(body: Any) -> Contract:
    future = Instrument(ticker="MNQ", asset_class=AssetClass.FUTURE)
    return months.choose_future(future, translate.rows(body), root="MNQ", month=None, today=date(2026, 11, 20))


def bounded(value: Any, field: str = "") -> None:
    """No number that a table cannot hold, no text that is longer than what is kept or holds what a database refuses."""
    if field == "raw":
        # Kept as JSON with the attempt.
        json.dumps(value, allow_nan=False, default=str).encode()
        return
    match value:
        case bool() | None:
            pass
        case int():
            assert abs(value) <= 10**15
        case Decimal():
            assert value.is_finite()
            assert abs(value) <= Decimal(10) ** 16
            exponent = value.as_tuple().exponent
            assert isinstance(exponent, int)
            assert exponent >= -50
        case str():
            assert len(value) <= 60_000
            assert "\0" not in value
            value.encode()
        case dict():
            for key, each in value.items():
                bounded(key)
                bounded(each)
        case list() | tuple():
            assert len(value) <= READ.rows
            for each in value:
                bounded(each)
        case _ if is_dataclass(value):
            for each in fields(value):
                bounded(getattr(value, each.name), each.name)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"orderId":1e600000,"position":1e600000,"a":1}', "a number without end"),
        (b"[" + b"9" * 5000 + b"]", "a number without end"),
        (b"[0." + b"3" * 5000 + b"]", "a number without end"),
        (b"[1e-600000]", "a number without end"),
        (b"[" * 100_000, "lists within lists without end"),
        (b"[" * 30 + b"]" * 30, "lists within lists without end"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "lists within lists without end"),
        (b"[" + b"0," * 10_000 + b"0]", "more than 10000 rows"),
        (b"[" + b"0," * 450_000 + b"0]", "more values than an answer has"),
        (b"[" + b"{}" * 220_000 + b"]", "more values than an answer has"),
        (b'"' + b"x" * 70_000 + b'"', "a text without end"),
        (b" " * (READ.size + 1), "more than 8192 kilobytes at once"),
    ],
)
def test_it_says_in_a_few_words_what_is_wrong(data: bytes, says: str) -> None:
    with pytest.raises(Nonsense) as refusal:
        decode(data, READ)
    assert str(refusal.value) == says


def test_what_a_database_does_not_keep_is_left_out() -> None:
    assert decode(b'{"a\\u0000":["\\u0000b","\\ud800c","\\\\u0000"]}', READ) == {"a": ["b", "?c", "\\u0000"]}
    assert cleaning.one_line("\0a\x1b[0m\n b\ud800") == "a[0m b"


def test_a_packed_body_is_unpacked_no_further_than_an_answer_goes() -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000)
    tracemalloc.start()
    try:
        unpacking = Unpacking("gzip", READ)
        with pytest.raises(Nonsense, match="8192 kilobytes"):
            feed(unpacking, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * READ.size
    small = Unpacking("gzip", READ)
    small.feed(gzip.compress(b'{"a":1}'))
    assert decode(small.body, READ) == {"a": 1}


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "what"])
def test_an_encoding_that_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(Nonsense):
        Unpacking(encoding, READ)


def test_packed_bytes_that_unpack_to_nothing_end_too() -> None:
    small = Bounds(size=1000, rows=10)
    unpacking = Unpacking("gzip", small)
    # Empty members, one behind the other.
    with pytest.raises(Nonsense):
        feed(unpacking, gzip.compress(b"") * 200)


def feed(unpacking: Unpacking, packed: bytes) -> None:
    """As they come from a socket."""
    for begin in range(0, len(packed), 65536):
        unpacking.feed(packed[begin : begin + 65536])


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1e600000"),
        Decimal("-1e16"),
        "1e600000",
        "1" * 65,
        10**15,
        10**4000,
        1e300,
        Decimal("Infinity"),
        Decimal("sNaN"),
        "\u0661",
        "," * 60,
        b"5",
        [5],
        {"a": 5},
    ],
)
def test_one_function_reads_every_number_and_none_without_bounds(value: Any) -> None:
    assert numbers.number(value) is None
    assert numbers.whole(value) is None
    assert numbers.quantity(value) is None
    assert numbers.moment(value, value) is None


def test_what_is_finer_than_any_price_is_nothing() -> None:
    assert numbers.number("1e-600000") == 0
    assert numbers.number(Decimal("1e-600000")) == 0
    assert numbers.number("0." + "3" * 60) == Decimal("0.333333333333333333")
    assert numbers.quotient(Decimal(1), Decimal("1e-18")) is None
    assert numbers.quotient(Decimal(1), Decimal(0)) is None


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_five_pieces_of_nonsense_in_five_minutes_open_a_pause_that_grows() -> None:
    clock = Clock()
    trust, pauses = Trust(clock), []
    for _ in range(6):
        for _ in range(5):
            assert trust.circuit.remaining == 0
            trust.note("a number without end")
        pauses.append(trust.circuit.remaining)
        clock.now += trust.circuit.remaining
    assert pauses == [60, 120, 240, 480, 900, 900]
    paused = trust.circuit.paused()
    assert paused.code == "gateway-nonsense"
    assert str(paused) == (
        "This gateway keeps sending what no gateway of IBKR sends (a number without end); Halyard leaves it alone for "
        "15 minutes. Check which program answers at its address."
    )
    assert trust.errors == 30


def test_now_and_then_a_slip_opens_none() -> None:
    clock = Clock()
    trust = Trust(clock)
    for _ in range(50):
        trust.note("what is no JSON")
        clock.now += 100
        assert trust.circuit.remaining == 0


def test_a_stream_that_talks_without_end_is_read_slowly() -> None:
    clock = Clock()
    flow = Flow(clock)
    waits = [flow.wait(50) for _ in range(2100)]
    assert waits[:2000] == [0.0] * 2000
    assert waits[-1] == pytest.approx(0.5)
    clock.now += 60
    large = [flow.wait(1024 * 1024) for _ in range(30)]
    assert large[15] == 0
    assert large[-1] > 20


def test_nothing_is_no_nonsense() -> None:
    assert decode(b"", READ) is NOT_JSON
    assert decode(b"<html>", READ) is NOT_JSON
