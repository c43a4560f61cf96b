"""What a webhook's sender is answered."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest

from accounts.models import Team
from strategies.models import Refusal, SeenKey, Signal, Strategy
from strategies.tests import doors, rows

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
    assert answer.json == {
        "success": True,
        "id": str(signal.code),
        "logId": str(signal.log_code),
        "payload": {"ticker": "nasdaq:aapl", "action": "BUY", "quantity": "10.50", "price": 187.2, "alertName": "x"},
        "reading": {
            "action": "buy",
            "instrument": {"class": "stock", "symbol": "AAPL"},
            "quantity": {"value": "10.5", "type": "fixed_quantity"},
            "signal_price": "187.2",
        },
        "warnings": ["unknown-field:alertName"],
    }
    assert (signal.body, signal.reading, signal.warnings) == (body, answer.json["reading"], ["unknown-field:alertName"])
    assert (signal.team, signal.strategy, signal.endpoint) == (strategy.team, strategy, strategy.endpoints.get())
    assert (signal.address, signal.content_type) == ("203.0.113.7", "text/plain")
    assert signal.dispatched_at is None


def test_the_same_body_again_is_answered_with_the_first_signal(strategy: Strategy) -> None:
    path = doors.path_of(strategy)
    first, second = doors.post(path), doors.post(path)
    assert second.status == 200
    assert second.json["id"] == second.json["duplicateOf"] == first.json["id"]
    assert second.json["logId"] != first.json["logId"]
    assert Signal.objects.get().duplicates == 1


def test_an_unknown_webhook_is_not_found(strategy: Strategy) -> None:
    answer = doors.post(f"/trading/webhook/{uuid.uuid4()}/whatever")
    assert (answer.status, answer.code, answer.json["message"]) == (404, "not-found", "Webhook not found.")
    assert not Signal.objects.exists()
    assert not Refusal.objects.exists()


def test_a_wrong_password_is_refused_and_shown_to_the_owner(strategy: Strategy) -> None:
    path = doors.path_of(strategy)
    answer = doors.post(path[:-1] + ("A" if path[-1] != "A" else "B"))
    refusal = Refusal.objects.get()
    assert (answer.status, answer.code) == (400, "invalid-password")
    assert (refusal.status, refusal.message_code, str(refusal.log_code)) == (400, answer.code, answer.json["logId"])
    assert not Signal.objects.exists()
    assert not SeenKey.objects.exists()
