"""What a webhook's sender is answered, and what is stored before the answer."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.test import override_settings

from accounts.models import Team
from strategies.models import Refusal, SeenKey, Signal, Strategy
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook import passwords
from strategies.webhook.door import Door
from strategies.webhook.status import status_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def test_a_good_signal_is_stored_and_answered(strategy: Strategy) -> None:
    body = '{"ticker": "nasdaq:aapl", "action": "BUY", "quantity": "10.50", "price": 187.20, "alertName": "x"}'
    answer = doors.post(doors.path_of(strategy), body, headers=[("content-type", "text/plain")])
    signal = Signal.objects.get()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == answer.json["logId"]
    assert answer.json == {
        "success": True,
        "id": str(signal.code),
        "logId": str(signal.log_code),
        "payload": {"ticker": "nasdaq:aapl", "action": "BUY", "quantity": "10.50", "price": 187.2, "alertName": "x"},
        "reading": {
            "action": "buy",
            "instrument": {"class": "stock", "symbol": "AAPL", "exchange_hint": "NASDAQ"},
            "quantity": {"value": "10.5", "type": "fixed_quantity"},
            "signal_price": "187.2",
            "warnings": ["unknown-field:alertName"],
        },
        "warnings": ["unknown-field:alertName"],
        "statusUrl": status_url(signal.code),
        "hints": ["alertName is not a field we know. It was kept, and not used."],
    }
    assert (signal.body, signal.reading, signal.warnings) == (body, answer.json["reading"], ["unknown-field:alertName"])
    assert (signal.team, signal.strategy, signal.endpoint) == (strategy.team, strategy, strategy.endpoints.get())
    assert (signal.address, signal.content_type) == ("203.0.113.7", "text/plain")
    assert signal.dispatched_at is None


def test_the_payload_keeps_every_digit(strategy: Strategy) -> None:
    body = b'{"ticker":"SPY","action":"buy","quantity":0.30000000000000004,"extras":{"n":12345678901234567890.10}}'
    answer = doors.post(doors.path_of(strategy), body)
    assert answer.status == 200
    assert Signal.objects.get().reading["quantity"]["value"] == "0.30000000000000004"
    raw = json.loads(json.dumps(answer.json))
    assert raw["payload"]["ticker"] == "SPY"


def test_a_trailing_slash_is_tolerated(strategy: Strategy) -> None:
    assert doors.post(doors.path_of(strategy) + "/").status == 200


def test_a_byte_order_mark_and_white_space_around_the_object_are_fine(strategy: Strategy) -> None:
    answer = doors.post(doors.path_of(strategy), b'\xef\xbb\xbf \r\n{"ticker":"SPY","action":"buy"}\n\n ')
    assert answer.status == 200
    assert Signal.objects.get().body == '{"ticker":"SPY","action":"buy"}'


def test_a_wrong_password_is_refused_and_shown_to_the_owner(strategy: Strategy) -> None:
    path = doors.path_of(strategy)
    answer = doors.post(path[:-1] + ("A" if path[-1] != "A" else "B"))
    refusal = Refusal.objects.get()
    assert (answer.status, answer.code) == (400, "invalid-password")
    assert (refusal.status, refusal.message_code, str(refusal.log_code)) == (400, answer.code, answer.json["logId"])
    assert refusal.endpoint == strategy.endpoints.get()
    assert not Signal.objects.exists()
    assert not SeenKey.objects.exists()


def test_a_missing_password_is_a_wrong_one(strategy: Strategy) -> None:
    answer = doors.post(f"/trading/webhook/{strategy.endpoints.get().code}")
    assert (answer.status, answer.code) == (400, "invalid-password")


def test_a_disabled_webhook_is_not_found_from_its_commit_on(strategy: Strategy, now: datetime) -> None:
    endpoint = strategy.endpoints.get()
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> list[doors.Response]:
        before = await doors.knock(door, path, {"ticker": "SPY", "action": "buy"})
        await doors.in_thread(lambda: strategies.disable_webhook(endpoint=endpoint, actor=None, now=now))
        return [before, await doors.knock(door, path, {"ticker": "SPY", "action": "sell"})]

    before, after = doors.with_door(scenario)
    assert before.status == 200
    assert (after.status, after.code) == (404, "not-found")
    assert Signal.objects.count() == 1


def test_a_disabled_strategy_takes_no_signal_until_it_is_enabled(strategy: Strategy, now: datetime) -> None:
    path = doors.path_of(strategy)
    strategies.disable_strategy(strategy=strategy, actor=None, now=now)
    answer = doors.post(path)
    assert (answer.status, answer.code) == (400, "strategy-disabled")
    assert not Signal.objects.exists()
    strategies.enable_strategy(strategy=strategy, actor=None, now=now)
    assert doors.post(path).status == 200


def test_the_strategys_class_and_tickers_count_as_they_are_now(strategy: Strategy) -> None:
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> list[doors.Response]:
        first = await doors.knock(door, path, {"ticker": "SPY", "action": "buy"})
        await doors.in_thread(lambda: Strategy.objects.update(allowed_tickers=["QQQ"]))
        second = await doors.knock(door, path, {"ticker": "SPY", "action": "sell"})
        await doors.in_thread(lambda: Strategy.objects.update(asset_class="future", allowed_tickers=["MNQ"]))
        return [first, second, await doors.knock(door, path, {"ticker": "MNQZ2030", "action": "buy"})]

    first, second, third = doors.with_door(scenario)
    assert (first.status, second.status, third.status) == (200, 400, 200)
    assert second.code == "unsupported-ticker"
    assert third.json["reading"]["instrument"]["class"] == "future"


def test_the_password_is_in_no_log_line(strategy: Strategy, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = strategy.endpoints.get()
    scope_path: list[str] = []
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> None:
        await doors.knock(door, path, "not json", seen_path=scope_path)

    with caplog.at_level("DEBUG", logger="strategies"):
        doors.with_door(scenario)
    assert str(endpoint.code) in caplog.text
    assert passwords.password_for(endpoint.code) not in caplog.text
    # What the server's own access log prints after us.
    assert scope_path == [f"/trading/webhook/{endpoint.code}"]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ([], "198.51.100.1", "203.0.113.7"),
        (["203.0.113.0/24"], "198.51.100.1", "198.51.100.1"),
        (["203.0.113.0/24"], "10.9.9.9, 198.51.100.1", "198.51.100.1"),
        (["203.0.113.0/24"], "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (["203.0.113.0/24"], "not an address", "203.0.113.7"),
        (["203.0.113.0/24"], "", "203.0.113.7"),
    ],
)
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    strategy: Strategy, trusted: list[str], forwarded: str, address: str
) -> None:
    with override_settings(TRUSTED_PROXIES=trusted):
        doors.post(doors.path_of(strategy), headers=[("x-forwarded-for", forwarded)])
    assert Signal.objects.get().address == address


def test_a_server_key_is_rotated_with_an_overlap(strategy: Strategy) -> None:
    old = doors.path_of(strategy)
    with override_settings(SERVER_KEYS=["newer", *_server_keys()]):
        new = doors.path_of(strategy)
        assert new != old
        assert doors.post(old, {"ticker": "SPY", "action": "buy"}).status == 200
        assert doors.post(new, {"ticker": "SPY", "action": "sell"}).status == 200
    with override_settings(SERVER_KEYS=["newer"]):
        assert doors.post(old, {"ticker": "SPY", "action": "exit"}).code == "invalid-password"


def _server_keys() -> list[str]:
    from django.conf import settings

    return list(settings.SERVER_KEYS)
