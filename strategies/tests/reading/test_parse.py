"""What the door takes today, and that no body at all breaks the reading of it."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.orders import AssetClass, Instrument
from config.tests.samples import samples
from strategies.domain.message.message import Action, Message, OrderShape
from strategies.domain.message.symbols import Kind, Symbol
from strategies.reading.parse import Refused, evaluate, parse
from strategies.tests.reading.test_parse_cases import CASES

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def read(
    fields: dict[str, Any] | str, kind: Kind = Kind.STOCK, allowed: tuple[str, ...] = ()
) -> tuple[Message, tuple[str, ...]]:
    body = fields if isinstance(fields, str) else json.dumps({"ticker": "SPY", "action": "buy", **fields})
    reading = parse(body.encode(), kind=kind, allowed_tickers=allowed, now=NOW)
    return reading.message, reading.warnings


def code(fields: dict[str, Any], kind: Kind = Kind.STOCK, allowed: tuple[str, ...] = ()) -> str:
    with pytest.raises(Refused) as refused:
        read(fields, kind, allowed)
    return refused.value.code


def test_it_reads_every_field_of_the_slice() -> None:
    message, warnings = read(
        {"action": "SELL", "quantity": "2.50", "price": 10, "orderType": "Limit", "limitPrice": "10.10", "signalId": 7}
    )
    assert message == Message(
        symbol=Symbol(Kind.STOCK, "SPY", "SPY", {"symbol": "SPY"}),
        action=Action.SELL,
        quantity=Decimal("2.50"),
        signal_price=Decimal(10),
        order=OrderShape(type="limit", limit=Decimal("10.10")),
        signal_id="7",
    )
    assert warnings == ()
    assert Message.from_reading(message.reading()) == message


@pytest.mark.parametrize(
    ("asset_class", "ticker", "name"),
    [
        ("stock", "spy", "SPY"),
        ("stock", "NASDAQ:AAPL", "AAPL"),
        ("stock", "BRK.B", "BRK.B"),
        ("stock", "BRK/B", "BRK.B"),
        ("stock", " NYSE:BRK-B ", "BRK.B"),
        ("future", "MNQ", "MNQ"),
        ("future", "mnqz2026", "MNQZ2026"),
        ("future", "MNQZ26", "MNQZ2026"),
        ("future", "MNQZ6", "MNQZ2026"),
        ("future", "MNQH7", "MNQH2027"),
        ("future", "MNQV6", "MNQV2036"),
        ("future", "M2KZ6", "M2KZ2026"),
        ("future", "6EZ6", "6EZ2026"),
        ("future", "CME_MINI:ES1!", "ES"),
        ("future", "NQ2!", "NQ2!"),
        ("forex", "EURUSD", "EURUSD"),
        ("forex", "FX:EUR/USD", "EURUSD"),
        ("forex", "eur.usd", "EURUSD"),
    ],
)
def test_it_knows_the_ticker(asset_class: str, ticker: str, name: str) -> None:
    message, _ = read({"ticker": ticker}, Kind(asset_class))
    assert message.instrument == Instrument(ticker=name, asset_class=AssetClass(asset_class))


@pytest.mark.parametrize(
    ("asset_class", "ticker", "expected"),
    [
        ("stock", "MNQZ2026", "invalid-asset-class"),
        ("stock", "ES1!", "invalid-asset-class"),
        ("stock", "SPY 261218C600", "invalid-asset-class"),
        ("stock", "EUR/USD", "invalid-asset-class"),
        ("stock", "BRK B", "ticker-does-not-exist"),
        ("stock", "=SPY", "invalid-formula-blacklisted-field"),
        ("future", "MNQZ2023", "contract-expired"),
        ("future", "MNQV26", "contract-expired"),
        ("future", "TOOLONG", "ticker-does-not-exist"),
        ("forex", "EUREUR", "ticker-does-not-exist"),
        ("forex", "EUR", "ticker-does-not-exist"),
    ],
)
def test_it_refuses_the_ticker(asset_class: str, ticker: str, expected: str) -> None:
    assert code({"ticker": ticker}, Kind(asset_class)) == expected


def test_a_list_of_tickers_names_roots() -> None:
    assert read({"ticker": "MNQZ2026"}, Kind.FUTURE, ("MNQ",))[0].symbol.name == "MNQZ2026"
    assert read({}, allowed=("spy",))[0].symbol.name == "SPY"
    assert code({"ticker": "QQQ"}, allowed=("SPY",)) == "unsupported-ticker"


@pytest.mark.parametrize(
    "fields",
    [{"test": False}, {"extendedHours": False}, {"sentiment": ""}, {"quantity": 1, "quantityType": "fixed_quantity"}],
)
def test_a_field_that_says_what_happens_anyway_is_taken(fields: dict[str, Any]) -> None:
    assert read(fields)[0].action is Action.BUY


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"price": "NaN", "signalPrice": -1}, ("ignored-signalPrice", "ignored-price")),
        ({"time": "{{timenow}}", "interval": "{{interval}}"}, ("ignored-time", "ignored-interval")),
        ({"time": "yesterday", "extras": 5}, ("ignored-time", "ignored-extras")),
        (
            {"quantity": " ", "zulu": 1, "alpha": {"a": 1}},
            ("blank-field:quantity", "unknown-field:alpha", "unknown-field:zulu"),
        ),
        ({"Quantity": 5}, ("unknown-field:Quantity",)),
        ({"price": 5, "signalPrice": 6}, ()),
    ],
)
def test_it_warns_of_what_it_leaves_out(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert read(fields)[1] == expected


TICKERS = {Kind.FOREX: "EURUSD", Kind.CRYPTO: "BTCUSD"}
LEGS = [{"ticker": "SPY 261218C640", "side": "buy"}, {"ticker": "SPY 261218C650", "side": "sell"}]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OPTION])
@pytest.mark.parametrize("action", ["buy", "sell", "add", "reverse"])
@pytest.mark.parametrize("legs", [LEGS, LEGS[:1], "SPY", 1, True])
def test_legs_never_become_an_order_of_what_the_ticker_says_alone(kind: Kind, action: str, legs: Any) -> None:
    with pytest.raises(Refused) as refused:
        read({"action": action, "legs": legs}, kind)
    assert (refused.value.code, refused.value.field) == ("invalid-asset-class", "legs")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("action", ["exit", "cancel", "breakeven"])
@pytest.mark.parametrize("legs", [2, "2", True, {"legs": 2}, [1, 2]])
def test_a_way_out_is_not_refused_for_what_a_sender_writes_as_legs(kind: Kind, action: str, legs: Any) -> None:
    message, warnings = read({"ticker": TICKERS.get(kind, "SPY"), "action": action, "legs": legs}, kind)
    assert message.action == action
    assert "unknown-field:legs" in warnings


@pytest.mark.parametrize("kind", [kind for kind in Kind if not kind.is_option])
def test_a_way_out_of_another_class_is_not_refused_for_legs(kind: Kind) -> None:
    message, warnings = read({"ticker": TICKERS.get(kind, "SPY"), "action": "exit", "legs": LEGS}, kind)
    assert message.action == "exit"
    assert "unknown-field:legs" in warnings


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("legs", [[], {}, False, 0])
def test_empty_legs_are_none(kind: Kind, legs: Any) -> None:
    fields = {"optionType": "call", "expiration": "+1 week"} if kind.is_option else {}
    assert "unknown-field:legs" in read({"ticker": TICKERS.get(kind, "SPY"), "legs": legs, **fields}, kind)[1]


def test_legs_that_are_left_out_are_none() -> None:
    assert read({"legs": None})[1] == ("blank-field:legs",)


def test_signal_price_goes_before_its_alias() -> None:
    assert read({"price": 5, "signalPrice": 6})[0].signal_price == 6
    assert read({"price": 5, "signalPrice": "?"})[0].signal_price == 5


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=signal.price * 1.01", "101"),
        ("=signal.price / 3", "33.333333333333"),
        ("=(signal.price + 1) * 2 - -3", "205"),
        ("=round(signal.price * 1.01237, 2)", "101.24"),
        ("=round(1.25, 1, 'down')", "1.2"),
        ("=max(1, signal.price, 3) % 7", "2"),
        ("=signal.high > signal.price ? signal.high : signal.price", "110.5"),
        ("=signal.side in ['long', 'up'] and not (1 > 2) ? 1 : 2", "1"),
        ("=floor(signal.high) + ceil(0.1) + abs(-2) + min(1, 2)", "114"),
    ],
)
def test_a_formula_is_computed_in_decimals(formula: str, value: str) -> None:
    message, _ = read({"price": 100, "high": "110.5", "side": "long", "limitPrice": formula})
    assert message.order.limit == Decimal(value)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("=", "syntax"),
        ("=1 +", "syntax"),
        ("=(1", "syntax"),
        ("=1 2", "syntax"),
        ("=a.b", "reference"),
        ("=signal.missing", "reference"),
        ("=signal.nested", "reference"),
        ("=signal.limitPrice", "reference"),
        ("=__import__('os')", "operator"),
        ("=signal.price.__class__", "reference"),
        ("=1 / 0", "result"),
        ("=9999999999 * 9999999999 * 9999999999 * 9999999999 * 9999999999 * 9999999999 * 9999999999", "result"),
        ("='a' + 1", "operator"),
        ("=1 and 2", "operator"),
        ("=1 < 'a'", "operator"),
        ("=eval('1')", "operator"),
        ("=" + "(" * 30 + "1" + ")" * 30, "length"),
        ("=" + "1+" * 200 + "1", "length"),
        ("=1; 2", "syntax"),
        ("=round(1, 99)", "syntax"),
        ("=signal.price @ 2", "syntax"),
    ],
)
def test_a_formula_that_is_none_is_refused(formula: str, expected: str) -> None:
    assert code({"price": 100, "nested": {"a": 1}, "limitPrice": formula}) == f"invalid-formula-{expected}"


def test_formulas_are_for_the_top_level_and_the_brackets() -> None:
    assert code({"stopLoss": {"stopPrice": "=signal.nothing"}}) == "invalid-formula-reference"
    assert code({"meta": [{"note": "=1"}]}) == "invalid-formula-nested"
    assert code({"action": "=buy"}) == "invalid-action"
    assert code({"test": "=true"}) == "invalid-formula-blacklisted-field"
    assert read({"extras": {"note": "=not computed"}})[0].action is Action.BUY


def again(body: str | bytes, context: dict[str, Any]) -> None:
    """What was read is printed and read back without a loss, and its print is that of the original."""
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    kind = {"stocks": "stock", "futures": "future", "options": "option"}.get(
        context["asset_class"], context["asset_class"]
    )
    allowed = context.get("allowed_tickers") or ()
    at = datetime.fromisoformat(context["now"])
    message = parse(raw, kind=Kind(kind), allowed_tickers=allowed, now=at).message
    stored = json.loads(json.dumps(message.reading()))
    assert Message.from_reading(stored) == message
    assert Message.from_reading(stored).reading() == stored


@pytest.mark.parametrize("case", [case for case in CASES if case["expect"] == "accept"], ids=lambda case: case["id"])
def test_parse_and_print_are_inverse(case: dict[str, Any]) -> None:
    again(case["body"], case["context"])


def mutations(seed: int) -> bytes:
    """A case of the file, damaged: bytes cut, swapped, repeated, or a value replaced by an odd one."""
    chance = random.Random(seed)
    body = bytearray(str(chance.choice(CASES)["body"])[:3000].encode("utf-8", "surrogatepass"))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(body) + 1)
        odd = chance.choice(
            [b"{{", b"}", b"[", b'"', b"\\u0000", b"\xff", b"NaN", b"=signal.", b"1e999999999", b",", b"%a%"]
        )
        body[at : at + chance.randint(0, 5)] = chance.choice([odd, body[at : at + 20], b""])
    return bytes(body)


def test_five_thousand_damaged_bodies_are_read_or_refused() -> None:
    """Whatever arrives: an answer with a code, and a canonical form that JSON can hold."""
    for seed in range(5000):
        context = {**CASES[seed % len(CASES)]["context"]}
        answer = evaluate({"body": mutations(seed), "context": context})
        json.dumps(answer).encode()
        if answer["expect"] == "accept":
            again(mutations(seed), context)
        if answer["expect"] == "reject":
            assert answer["status"] in {400, 413}
            assert answer["messageCode"]
            assert len(answer["message"]) <= 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    sorted({name for case in CASES if case["expect"] == "accept" for name in json.loads(case["body"].lstrip("\ufeff"))})
)


@settings(max_examples=samples(300), deadline=None)
@given(
    st.dictionaries(names, json_values, max_size=8),
    st.sampled_from(["stocks", "futures", "options", "crypto", "forex"]),
)
def test_any_value_in_any_field_is_read_or_refused(values: dict[str, Any], kind: str) -> None:
    body = json.dumps({"ticker": "SPY", "action": "buy", **values})
    context = {"asset_class": kind, "now": "2026-11-20T15:00:00Z"}
    answer = evaluate({"body": body, "context": context})
    assert answer["expect"] in {"accept", "reject"}
    if answer["expect"] == "accept":
        again(body, context)


@settings(max_examples=samples(300), deadline=None)
@given(st.text(alphabet="=()+-*/%<>?:~,[]!&| 0123456789.signalprceandotrumx'\"_", max_size=80))
def test_any_formula_is_computed_or_refused(text: str) -> None:
    body = json.dumps({"ticker": "SPY", "action": "buy", "price": 100, "limitPrice": "=" + text})
    answer = evaluate({"body": body, "context": {"asset_class": "stocks", "now": "2026-11-20T15:00:00Z"}})
    assert answer["expect"] == "accept" or answer["messageCode"].startswith(("invalid-formula-", "invalid-limit-price"))


@pytest.mark.parametrize(
    "body",
    [
        '{"ticker":"SPY","action":"buy","signalId":"' + "{{" * 30_000 + '"}',
        '{"ticker":"SPY","action":"buy","signalId":"' + "%a" * 30_000 + '"}',
        '{"ticker":"' + "A" * 60_000 + '","action":"buy"}',
        '{"ticker":"' + ":" * 60_000 + '","action":"buy"}',
        '{"ticker":"SPY","action":"buy","quantity":1e400000000}',
        '{"ticker":"SPY","action":"buy","quantity":0.' + "1" * 60_000 + "}",
        '{"ticker":"SPY","action":"buy",' + ",".join(f'"k{n}":1' for n in range(5_000)) + "}",
        "{" + ",".join(f'"k{n}":1' for n in range(5_000)) + ',"z":1,"z":2}',
        '{"ticker":"SPY","action":"buy","a":' + "[" * 900 + "]" * 900 + "}",
        '{"ticker":"SPY","action":"buy","big":"'
        + "x" * 60_000
        + '","message":"='
        + " ~ ".join(["signal.big"] * 20)
        + '"}',
    ],
    ids=range(10),
)
def test_no_body_within_the_limit_hangs_its_reader(body: str) -> None:
    """A reader that is linear needs milliseconds; one that looks at each pair of characters needs minutes."""
    started = time.process_time()
    evaluate({"body": body, "context": {"asset_class": "stocks", "now": "2026-11-20T15:00:00Z"}})
    assert time.process_time() - started < 5
