"""Every bad delivery has one status, one code and one sentence, and leaves no signal behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import Team
from strategies.models import Refusal, Signal
from strategies.tests import rows
from strategies.tests.webhook import doors

pytestmark = pytest.mark.django_db

GOOD = {"ticker": "SPY", "action": "buy"}


@pytest.fixture(scope="module")
def path(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A webhook committed once for all these tests: nothing here becomes a signal."""
    with django_db_blocker.unblock():
        team = Team.objects.create(name="Refusals")
        yield doors.path_of(rows.strategy(team, timezone.now()))
        with connection.cursor() as cursor:
            cursor.execute("SET halyard.audit_removal = 'lawful'")
            call_command("flush", verbosity=0, interactive=False)
            cursor.execute("RESET halyard.audit_removal")


def refused(path: str, body: object, **changes: Any) -> doors.Response:
    """The answer to a delivery that must leave a Refusal for its owner and no signal."""
    answer = doors.post(path, body, **changes)
    assert answer.json["success"] is False
    assert answer.json["message"].endswith((".", ".)"))
    assert not Signal.objects.exists()
    refusal = Refusal.objects.get(log_code=answer.json["logId"])
    assert (refusal.status, refusal.message_code) == (answer.status, answer.code)
    assert (refusal.sentence, refusal.field) == (answer.json["message"], answer.json.get("field", ""))
    return answer


def code_of(path: str, body: object, **changes: Any) -> tuple[int, str]:
    answer = refused(path, body, **changes)
    return answer.status, answer.code


def test_an_unknown_webhook_is_not_found(path: str) -> None:
    answer = doors.post(f"/trading/webhook/{uuid.uuid4()}/whatever")
    assert (answer.status, answer.code, answer.json["message"]) == (404, "not-found", "Webhook not found.")
    assert not Refusal.objects.filter(log_code=answer.json["logId"]).exists()


@pytest.mark.parametrize("tail", ["not-a-uuid/x", "", "//", "../admin", "{0}/a/b", "{{{0}}}/a"])
def test_a_malformed_webhook_is_not_found(path: str, tail: str) -> None:
    answer = doors.post("/trading/webhook/" + tail.format(uuid.uuid4()))
    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_any_method_but_post_is_not_allowed(path: str, method: str) -> None:
    answer = doors.post(path, b"", method=method)
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "post-required", "POST")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty-json"),
        (b"  \r\n ", "empty-json"),
        (b"\xef\xbb\xbf", "empty-json"),
        (b"BUY SPY", "malformed-json"),
        (b'{"ticker":"SPY","action":"buy",}', "malformed-json"),
        (b'{"ticker":"SPY" "action":"buy"}', "malformed-json"),
        (b"{'ticker':'SPY','action':'buy'}", "malformed-json"),
        ("{“ticker”:“SPY”,“action”:“buy”}".encode(), "malformed-json"),
        (b'{"ticker":"SPY","action":"buy"} and more', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy"}{"ticker":"QQQ","action":"buy"}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","price":NaN}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","quantity":Infinity}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","quantity":-Infinity}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","quantity":' + b"9" * 5000 + b"}", "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","note":' + b"[" * 30_000, "malformed-json"),
        (b'{"ticker":"SPY\xff","action":"buy"}', "malformed-json"),
        ('{"ticker":"SPY","action":"buy"}'.encode("utf-16"), "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","note":"a\x00b"}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","note":"a\\u0000b"}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","note":"\\ud800"}', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy"}\x00', "malformed-json"),
        (b'{"ticker":"SPY","action":"buy","action":"sell"}', "duplicate-field"),
        (b'{"ticker":"SPY","action":"buy","extras":{"a":1,"a":2}}', "duplicate-field"),
        (b"[]", "invalid-payload"),
        (b'[{"ticker":"SPY","action":"buy"}]', "invalid-payload"),
        (b'"{}"', "invalid-payload"),
        (b"42", "invalid-payload"),
        (b"null", "invalid-payload"),
        (b"true", "invalid-payload"),
        (b"{}", "invalid-payload"),
    ],
)
def test_a_body_that_is_not_one_json_object_is_refused(path: str, body: bytes, code: str) -> None:
    assert code_of(path, body) == (400, code)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"ticker": None}, "invalid-payload", "ticker"),
        ({"action": None}, "invalid-payload", "action"),
        ({"ticker": 5}, "invalid-payload", "ticker"),
        ({"ticker": ["SPY"]}, "invalid-payload", "ticker"),
        ({"ticker": ""}, "empty-ticker-name", "ticker"),
        ({"ticker": "  "}, "empty-ticker-name", "ticker"),
        ({"ticker": "S P Y"}, "ticker-does-not-exist", "ticker"),
        ({"ticker": "SPY;DROP TABLE"}, "ticker-does-not-exist", "ticker"),
        ({"ticker": "MNQZ2030"}, "invalid-asset-class", "ticker"),
        ({"ticker": "ES1!"}, "invalid-asset-class", "ticker"),
        ({"ticker": "{{ticker}}"}, "unexpanded-placeholder", "ticker"),
        ({"ticker": "%alert_symbol%"}, "unexpanded-placeholder", "ticker"),
        ({"action": "bu"}, "invalid-action", "action"),
        ({"action": ""}, "invalid-action", "action"),
        ({"action": "flat"}, "invalid-action", "action"),
        ({"action": True}, "invalid-action", "action"),
        ({"action": "{{strategy.order.action}}"}, "unexpanded-placeholder", "action"),
        ({"quantity": 0}, "invalid-quantity", "quantity"),
        ({"quantity": -5}, "invalid-quantity", "quantity"),
        ({"quantity": "-5"}, "invalid-quantity", "quantity"),
        ({"quantity": "abc"}, "invalid-quantity", "quantity"),
        ({"quantity": "1 share"}, "invalid-quantity", "quantity"),
        ({"quantity": "1,000"}, "invalid-quantity", "quantity"),
        ({"quantity": "NaN"}, "invalid-quantity", "quantity"),
        ({"quantity": "Infinity"}, "invalid-quantity", "quantity"),
        ({"quantity": "1e999"}, "invalid-quantity", "quantity"),
        ({"quantity": "١٢"}, "invalid-quantity", "quantity"),
        ({"quantity": True}, "invalid-quantity", "quantity"),
        ({"quantity": [1]}, "invalid-quantity", "quantity"),
        ({"quantity": {"value": 1}}, "invalid-quantity", "quantity"),
        ({"quantity": "{{strategy.order.contracts}}"}, "unexpanded-placeholder", "quantity"),
        ({"orderType": "lmt"}, "invalid-order-type", "orderType"),
        ({"orderType": 1}, "invalid-order-type", "orderType"),
        ({"orderType": "limit", "limitPrice": "6,845.00"}, "invalid-limit-price", "limitPrice"),
        ({"orderType": "limit", "limitPrice": 0}, "invalid-limit-price", "limitPrice"),
        ({"orderType": "limit", "limitPrice": "NaN"}, "invalid-limit-price", "limitPrice"),
        ({"stopLoss": "6838.00"}, "invalid-stop-loss", "stopLoss"),
        ({"signalId": ["a"]}, "invalid-signal-id", "signalId"),
        ({"signalId": "x" * 121}, "invalid-signal-id", "signalId"),
        ({"signalId": "a\nb"}, "invalid-signal-id", "signalId"),
        ({"signalId": "{{bar_index}}"}, "unexpanded-placeholder", "signalId"),
    ],
)
def test_a_field_that_shapes_the_order_and_is_wrong_is_refused_by_name(
    path: str, fields: dict[str, Any], code: str, field: str
) -> None:
    answer = refused(path, json.dumps({**GOOD, **fields}))
    assert (answer.status, answer.code, answer.json["field"]) == (400, code, field)
    assert field in answer.json["message"] or field == "ticker"


def test_an_idempotency_key_that_is_too_long_is_refused(path: str) -> None:
    assert code_of(path, GOOD, headers=[("idempotency-key", "x" * 121)]) == (400, "invalid-idempotency-key")


def test_a_body_over_the_limit_is_refused_unread_when_it_says_so(path: str) -> None:
    answer = refused(path, b"", headers=[("content-length", str(64 * 1024 + 1))], chunks=[])
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "payload-too-large", "close")


def test_a_body_over_the_limit_is_refused_while_it_streams_in(path: str) -> None:
    answer = refused(path, b"", chunks=[b"x" * 40_000] * 50)
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "payload-too-large", "close")


def test_a_body_of_exactly_the_limit_is_read(path: str) -> None:
    body = json.dumps({**GOOD, "action": "nothing"}).encode()
    assert code_of(path, body + b" " * (64 * 1024 - len(body))) == (400, "invalid-action")


def test_a_body_that_never_ends_is_cut_off(path: str) -> None:
    with override_settings(WEBHOOK_BODY_SECONDS=0.05):
        answer = refused(path, b"", chunks=[b'{"ticker":'])
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "request-timeout", "close")


def test_the_password_comes_before_the_body(path: str) -> None:
    wrong = path.rpartition("/")[0] + "/wrong"
    assert code_of(wrong, b"not json") == (400, "invalid-password")
    assert code_of(wrong, b"", headers=[("content-length", "999999")], chunks=[]) == (400, "invalid-password")


def test_a_refused_body_is_kept_for_its_owner_as_far_as_it_can_be(path: str) -> None:
    answer = refused(path, b"a\x00b\xff" + b"x" * 5_000)
    body = Refusal.objects.get(log_code=answer.json["logId"]).body
    assert body.startswith("a\ufffdb\ufffdxxx")
    assert len(body) == 5_004


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ('{"ticker":"SPY","action":"buy","qty":"5",}', {"ticker": "SPY", "action": "buy", "quantity": "5"}),
        ({"symbol": "SPY", "side": "long"}, {"ticker": "SPY", "action": "buy"}),
        ({**GOOD, "quantity": "$1,000"}, {**GOOD, "quantity": "1000"}),
    ],
)
def test_the_answer_shows_the_message_put_right_where_it_is_plain_how(path: str, body: object, right: object) -> None:
    hint = json.loads(refused(path, body).json["hint"])
    assert {name: str(value) for name, value in hint.items()} == right


def test_a_stranger_is_not_helped(path: str) -> None:
    assert "hint" not in refused(path.rpartition("/")[0] + "/wrong", {"symbol": "SPY"}).json
