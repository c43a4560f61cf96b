"""What a log may hold of requests and answers: no secret, no account number, no name, and never much."""

from __future__ import annotations

import base64
import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain import redaction
from brokers.domain.redaction import ADDRESS, EXCERPT, MASK, Redactor, clip

SECRET = "s3cr3t-Of/The+Proxy=="
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDX3bq\n-----END PRIVATE KEY-----\n"
REDACTOR = Redactor(["alice.trader", SECRET, PEM, "U7654321", "Alice Liddell"])

secrets = st.text("abcdefghijKLMNOP0123456789-_+/=.", min_size=3, max_size=60)
account_numbers = st.from_regex(r"(?:U|DU|F|DF|I|SIM)[0-9]{6,9}", fullmatch=True)
texts = st.text(max_size=40)
keys = st.sampled_from(["error", "message", "order_id", "text", "accountId", "session", "x", "orders"]) | texts


def around(inside: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON values with texts that hold `inside` somewhere: as a value, as a key, among other words, at any depth."""
    among = st.builds(lambda left, it, right: f"{left} {it},{right}", texts, inside, texts)
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | texts | inside | among
    return st.recursive(
        leaves,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(keys | inside | among, below, max_size=4),
        max_leaves=12,
    )


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_no_secret_ever_passes(data: st.DataObject) -> None:
    known = data.draw(st.lists(secrets, min_size=1, max_size=3))
    forms = [*known, *(quote(each, safe="") for each in known)]
    value = data.draw(around(st.sampled_from(forms)))
    redactor = Redactor(known)
    shown = redactor.excerpt(clip(value))
    address = redactor.address("iserver/{order}/x", {"order": forms[0]}, {"reason": f"for {forms[-1]}", forms[0]: "1"})
    for each in known:
        assert each.lower() not in shown.lower()
        assert each.lower() not in address.lower()


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_no_account_number_ever_passes_known_or_not(data: st.DataObject) -> None:
    number = data.draw(account_numbers)
    redactor = Redactor([])
    shown = redactor.excerpt(clip(data.draw(around(st.just(number)))))
    address = redactor.address(
        "portfolio/{account}/x/{order}", {"account": number, "order": number}, {"acctId": number}
    )
    assert number not in shown
    assert number not in address


@given(around(secrets))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_one_short_line_that_a_database_keeps(value: Any) -> None:
    shown = REDACTOR.excerpt(clip(value))
    assert len(shown) <= EXCERPT
    assert "\x00" not in shown
    assert "\n" not in shown
    shown.encode()


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ({"USER_NAME": "someoneelse1", "RESULT": True}, "someoneelse1"),
        ({"session": "bb665d0f55b6289d70bc7380089fc96f", "ssoExpires": 460311}, "bb665d0f"),
        ({"accountTitle": "Charles Dodgson", "displayName": "Charles"}, "Charles"),
        ({"acctProps": {"U1234567": {"alias": "Retirement"}}}, "Retirement"),
        ({"aliases": {"The name of somebody": "x"}}, "somebody"),
        ({"message": "Cookie: JSESSIONID=abc; user=bob99"}, "bob99"),
        ({"error": "token=Abc123 is not known"}, "Abc123"),
        ({"error": "mail to carol@example.com"}, "carol"),
        ({"error": "the user ALICE.TRADER is signed in elsewhere"}, "ALICE"),
        ({"error": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123"}, "eyJ"),
        ({"error": "U123\u200b4567 is\u202e closed"}, "4567"),
        ({"error": "account \uff35\uff11\uff12\uff13\uff14\uff15\uff16\uff17"}, "4567"),
        ({"x": f"Basic {base64.b64encode(SECRET.encode()).decode()}"}, base64.b64encode(SECRET.encode()).decode()[:12]),
        ({"x": PEM}, "MIIEv"),
        ({"x": "BKcwggSjAgEAAoIBAQDX3bq"}, "BKcw"),
        ({"userId": 987654321, "ip": "203.0.113.9"}, "987654321"),
        ({"userId": 987654321, "ip": "203.0.113.9"}, "203.0"),
        ({"x": [Decimal("1.5"), {"y": "of Alice Liddell"}]}, "Liddell"),
    ],
)
def test_it_masks_what_it_knows_and_what_looks_like_it(answer: Any, gone: str) -> None:
    shown = REDACTOR.excerpt(answer)
    assert gone not in shown
    assert MASK in shown


def test_it_shows_what_a_fault_is_found_by() -> None:
    answer = {
        "error": "Order couldn't be submitted: no trading permissions",
        "order_id": "1799796559",
        "order_status": "Inactive",
        "authenticated": False,
        "id": "07a13a5a-4a48-44a5-bb25-5ab37b79186c",
        "local_order_id": "hy-d62621f8f3d24fd1aaa51c511795f730",
        "price": Decimal("187.25"),
    }
    assert json.loads(REDACTOR.excerpt(answer)) == {**answer, "price": "187.25"}


def test_the_address_names_no_account() -> None:
    address = REDACTOR.address(
        "iserver/account/{account}/order/{order}", {"account": "U7654321", "order": "1799796559"}, {"force": "true"}
    )
    assert address == "/iserver/account/•••/order/1799796559?force=true"
    assert len(REDACTOR.address("x/{order}", {"order": "9 " * 4000}, {})) <= ADDRESS


def test_a_secret_at_the_edge_of_what_is_read_is_not_shown_by_half() -> None:
    for length in range(4096 - 40, 4097):
        assert "s3cr3t" not in REDACTOR.text("x" * length + SECRET, most=5000)


def test_a_flood_costs_little() -> None:
    row = {f"key {number}": "a1" * 40_000 for number in range(2000)}
    deep: Any = {}
    for _ in range(5000):
        deep = [deep, "U1234567"]
    began = time.process_time()
    for value in (
        row,
        [row] * 1000,
        deep,
        "A" * 3_000_000,
        "user=" * 100_000,
        "session: " * 50_000,
        "@" * 100_000,
        "a." * 100_000,
    ):
        assert len(REDACTOR.excerpt(clip(value))) <= EXCERPT
    assert time.process_time() - began < 2


def test_it_masks_a_name_of_one_letter_as_a_word_only() -> None:
    assert Redactor(["A"]).text("user A asks: ABBA, a") == f"user {MASK} asks: ABBA, {MASK}"


@pytest.mark.parametrize("text", ["", " a  b ", "plain", "a-b_c", "U1234567", "~"])
def test_a_text_of_visible_letters_is_read_as_any_other(text: str) -> None:
    # A letter that is no ASCII takes the long way.
    assert redaction._plain(text) == redaction._plain(text + "é").removesuffix("é").rstrip()


@pytest.mark.parametrize("key", ["accountNumber", "x" * 70 + "token", "SESSION", "user_name"])
def test_a_private_key_is_known_again(key: str) -> None:
    assert [redaction._is_private(key) for _ in range(2)] == [True, True]
