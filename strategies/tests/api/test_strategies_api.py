"""REST: strategies, subscriptions, signals, decisions."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from accounts import teams
from accounts.models import Team, User
from accounts.plans import patience
from accounts.tests.api.client import Api
from brokers.domain.orders import Role
from brokers.models import Order
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows as brokers
from strategies.domain.plan.estimate import Estimate
from strategies.models import Refusal
from strategies.tests import rows
from strategies.webhook.passwords import password_for

LISTS = ["strategies", "subscriptions", "signals", "decisions"]


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


def one(page: Any) -> Any:
    [item] = page["results"]
    return item


def test_a_strategy_shows_no_secret(api: Api, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    answer = api.ask("strategies/")
    assert one(answer.json()) == {
        "id": str(strategy.code),
        "name": "Trend",
        "description": "",
        "asset_class": "stock",
        "allowed_tickers": [],
        "enabled": True,
        "tradingview_only": False,
        "allowed_addresses": [],
        "signature_required": False,
        "entry_stale_seconds": 60,
        "exit_stale_seconds": 600,
        "repeat_window_seconds": 30,
        "per_minute": 1_000_000,
        "per_hour": 1_000_000,
        "keep_days": None,
        "created_at": "2026-11-20T15:00:00Z",
    }
    endpoint = strategy.endpoints.get()
    assert password_for(endpoint.code).encode() not in answer.content
    assert str(endpoint.code).encode() not in answer.content


def test_a_subscription_shows_its_present_terms(api: Api, team: Team, now: datetime) -> None:
    account = brokers.account(team)
    subscription = rows.subscription(rows.strategy(team, now), account, now, quantity=Decimal("2.50"))
    assert one(api.get("subscriptions/")) == {
        "id": str(subscription.code),
        "strategy": str(subscription.strategy.code),
        "account": str(account.code),
        "enabled": True,
        "group": None,
        "linked": False,
        "terms": subscription.terms.values,  # type: ignore[union-attr]
        "terms_version": 1,
        "created_at": "2026-11-20T15:00:00Z",
    }


def test_a_signal_nests_all_that_became_of_it(api: Api, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    fill = made.order.executions.get()
    assert api.get(f"signals/{made.signal.code}/") == {
        "id": str(made.signal.code),
        "log_id": str(made.signal.log_code),
        "strategy": str(made.strategy.code),
        "received_at": "2026-11-20T15:00:00Z",
        "address": None,
        "content_type": "",
        "ticker": "AAPL",
        "action": "buy",
        "reading": {
            "action": "buy",
            "instrument": {"class": "stock", "symbol": "AAPL"},
            "quantity": {"value": "10", "type": "fixed_quantity"},
        },
        "warnings": [],
        "test": False,
        "not_before": None,
        "dispatched_at": None,
        "set_aside": "",
        "note": "",
        "duplicates": 0,
        "repeats": [],
        "forgotten_at": None,
        "decisions": [
            {
                "id": str(made.decision.code),
                "signal": str(made.signal.code),
                "subscription": str(made.subscription.code),
                "account": str(made.account.code),
                "status": "accepted",
                "rule": "R1",
                "reason_code": "",
                "reason": "Flat: a buy opens a long position.",
                "waiting_for": "",
                "created_at": api.get("decisions/")["results"][0]["created_at"],
                "decided_at": "2026-11-20T15:00:00.008000Z",
                "expires_at": None,
                "answered_at": None,
                "answered_by": None,
                "approvals": [],
                "plan": None,
                "assessment": [],
                "orders": [
                    {
                        "id": str(made.order.code),
                        "reference": made.order.reference,
                        "account": str(made.account.code),
                        "parent": None,
                        "entry": None,
                        "rung": None,
                        "group": "",
                        "second_of": None,
                        "status": "filled",
                        "role": "entry",
                        "release": "at_once",
                        "ticker": "AAPL",
                        "asset_class": "stock",
                        "side": "buy",
                        "type": "market",
                        "time_in_force": "day",
                        "good_till": None,
                        "quantity": "10",
                        "limit_price": None,
                        "stop_price": None,
                        "distance": None,
                        "distance_in": "",
                        "outside_rth": False,
                        "filled_quantity": "10",
                        "average_price": "187.25",
                        "simulated_price": True,
                        "currency": "USD",
                        "signal_price": None,
                        "estimated_fee": "1",
                        "broker_order_id": "",
                        "reason": "",
                        "reason_code": "",
                        "held_reason": "",
                        "created_at": "2026-11-20T15:00:00Z",
                        "submitted_at": "2026-11-20T15:00:00.012000Z",
                        "acknowledged_at": "2026-11-20T15:00:00.042000Z",
                        "filled_at": "2026-11-20T15:00:00.092000Z",
                        "changed_at": "2026-11-20T15:00:00.092000Z",
                        "expires_at": "2026-11-20T15:01:00Z",
                        "as_of": "2026-11-20T15:00:00.092000Z",
                        "as_of_from": "report",
                        "silent_since": None,
                        "asks_first": False,
                        "asked_first": [],
                        "prompts_left": [],
                        "executions": [
                            {
                                "id": str(fill.code),
                                "broker_execution_id": fill.broker_execution_id,
                                "conid": fill.conid,
                                "ticker": "AAPL",
                                "side": "buy",
                                "quantity": "10",
                                "price": "187.25",
                                "simulated_price": True,
                                "fee": "1",
                                "currency": "USD",
                                "executed_at": "2026-11-20T15:00:00.092000Z",
                            }
                        ],
                    }
                ],
            }
        ],
        "timeline": {
            "received": {"at": "2026-11-20T15:00:00Z", "ms": 0.0, "total_ms": 0.0},
            "stored": {"at": "2026-11-20T15:00:00.002000Z", "ms": 2.0, "total_ms": 2.0},
            "decided": {"at": "2026-11-20T15:00:00.008000Z", "ms": 6.0, "total_ms": 8.0},
            "approved": {"at": None, "ms": None, "total_ms": None},
            "submitted": {"at": "2026-11-20T15:00:00.012000Z", "ms": 4.0, "total_ms": 12.0},
            "acknowledged": {"at": "2026-11-20T15:00:00.042000Z", "ms": 30.0, "total_ms": 42.0},
            "filled": {"at": "2026-11-20T15:00:00.092000Z", "ms": 50.0, "total_ms": 92.0},
        },
        "headers": {},
        "body": '{"ticker": "AAPL", "action": "buy", "quantity": "10"}',
    }


def test_a_list_of_signals_leaves_only_bodies_and_headers_out(api: Api, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    whole = api.get(f"signals/{made.signal.code}/")
    del whole["body"], whole["headers"]
    assert one(api.get("signals/")) == whole


def test_a_signal_that_nobody_follows_has_no_decisions_and_an_open_timeline(
    api: Api, team: Team, now: datetime
) -> None:
    signal = rows.signal(rows.strategy(team, now), now, note="No enabled subscription follows this strategy.")
    shown = api.get(f"signals/{signal.code}/")
    assert shown["decisions"] == []
    assert shown["note"] == "No enabled subscription follows this strategy."
    nothing = {"at": None, "ms": None, "total_ms": None}
    phases = ["decided", "approved", "submitted", "acknowledged", "filled"]
    assert [shown["timeline"][phase] for phase in phases] == [nothing] * 5


def test_a_signal_tells_why_nothing_happens_and_when_it_came_again(api: Api, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(
        strategy,
        now,
        set_aside="stale-signal",
        note="Too old.",
        dispatched_at=now,
        duplicates=1,
        is_test=True,
        not_before=now,
        headers={"user-agent": "Pine", "x-token": "leaked"},
        address="192.0.2.7",
    )
    repeat = signal.repeats.create(team=team, log_code=uuid.uuid4(), address="192.0.2.8", received_at=now)
    rows.signal(strategy, now, reading={**rows.READING, "action": "exit"})
    shown = one(api.get("signals/?set_aside=stale-signal"))
    assert (shown["set_aside"], shown["note"], shown["test"]) == ("stale-signal", "Too old.", True)
    assert shown["not_before"] == shown["dispatched_at"] == "2026-11-20T15:00:00Z"
    assert shown["repeats"] == [
        {"log_id": str(repeat.log_code), "received_at": "2026-11-20T15:00:00Z", "address": "192.0.2.8"}
    ]
    assert api.get(f"signals/{signal.code}/")["headers"] == {"user-agent": "Pine", "x-token": "•••"}
    assert one(api.get("signals/?action=buy"))["id"] == str(signal.code)


def test_a_refused_delivery_is_found_by_the_log_id_of_its_answer(
    api: Api, team: Team, alice: User, charlie: User, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    values = {
        "status": 400,
        "sentence": "Not JSON.",
        "body": "not json",
        "headers": {"authorization": "leaked"},
        "address": "192.0.2.7",
        "content_type": "text/plain",
        "received_at": now,
        "team": team,
    }
    endpoint = strategy.endpoints.get()
    refused = Refusal.objects.create(message_code="malformed-json", endpoint=endpoint, **values)
    Refusal.objects.create(message_code="empty-json", endpoint=endpoint, **values)
    listed = one(api.get("refusals/?message_code=malformed-json"))
    assert listed == {
        "id": str(refused.log_code),
        "strategy": str(strategy.code),
        "received_at": "2026-11-20T15:00:00Z",
        "address": "192.0.2.7",
        "content_type": "text/plain",
        "status": 400,
        "message_code": "malformed-json",
        "sentence": "Not JSON.",
        "field": "",
    }
    whole = api.get(f"refusals/{refused.log_code}/")
    assert whole == {**listed, "headers": {"authorization": "•••"}, "body": "not json"}
    theirs = Api(teams.found_team(owner=charlie, name="Theirs", now=now), charlie)
    assert theirs.get("refusals/")["results"] == []
    assert theirs.ask(f"refusals/{refused.log_code}/").status_code == 404


def test_a_rejection_shows_its_rule_and_sentence_and_no_orders(api: Api, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    subscription = rows.subscription(strategy, brokers.account(team), now)
    signal = rows.signal(strategy, now)
    rows.rejected(signal, subscription, now)
    [decision] = api.get(f"signals/{signal.code}/")["decisions"]
    assert (decision["status"], decision["rule"], decision["reason_code"]) == ("rejected", "R9", "already-long")
    assert decision["reason"] == "The account is long already."
    assert decision["orders"] == []


def test_a_decision_shows_what_its_orders_were_expected_to_cost(api: Api, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    estimate = Estimate(role=Role.ENTRY, fee=Decimal(1), margin=Decimal("937.25"), available=Decimal(25000))
    made.decision.inputs = {"assessment": [estimate.to_json()]}
    made.decision.save()
    [shown] = api.get(f"decisions/{made.decision.code}/")["assessment"]
    assert shown["sentence"] == "Estimated fee 1.00 USD; margin needed 937.25 USD of 25,000.00 available."
    assert (shown["fee"], shown["margin"], shown["available"], shown["currency"]) == (
        "1.00",
        "937.25",
        "25000.00",
        "USD",
    )


def test_with_several_accounts_the_timeline_is_that_of_the_quickest(api: Api, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    slower = rows.subscription(made.strategy, brokers.account(team), now)
    _, ticket = rows.accepted(made.signal, slower, now + timedelta(seconds=5))
    brokers.filled(brokers.order(ticket), at=now + timedelta(seconds=6))
    shown = api.get(f"signals/{made.signal.code}/")
    assert len(shown["decisions"]) == 2
    assert shown["timeline"]["filled"]["total_ms"] == 92.0


def test_a_phase_that_was_skipped_does_not_break_the_next_one(api: Api, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    Order.objects.update(acknowledged_at=None)
    shown = api.get(f"signals/{made.signal.code}/")["timeline"]
    assert shown["acknowledged"]["at"] is None
    assert shown["filled"]["ms"] == 80.0


@pytest.mark.parametrize("name", LISTS)
def test_each_thing_has_its_own_address(api: Api, team: Team, now: datetime, name: str) -> None:
    rows.walk(team, now)
    listed = one(api.get(f"{name}/"))
    whole = api.get(f"{name}/{listed['id']}/")
    assert {key: whole[key] for key in listed} == listed


@pytest.mark.parametrize("name", LISTS)
def test_a_viewers_token_reads(team: Team, bob: User, now: datetime, name: str) -> None:
    rows.walk(team, now)
    assert len(Api(team, bob).get(f"{name}/")["results"]) == 1


@pytest.mark.parametrize("name", LISTS)
def test_another_team_sees_nothing(team: Team, alice: User, charlie: User, now: datetime, name: str) -> None:
    rows.walk(team, now)
    stranger = Api(teams.found_team(owner=charlie, name="Charlie's", now=now), charlie)
    assert stranger.get(f"{name}/")["results"] == []
    code = one(Api(team, alice).get(f"{name}/"))["id"]
    assert stranger.refused(f"{name}/{code}/", 404)["code"] == "not-found"


# The token, its membership, the page; then decisions, orders with their prompts and executions, however many there are.
@pytest.mark.parametrize(
    ("name", "queries"), [("strategies", 3), ("subscriptions", 3), ("signals", 9), ("decisions", 7)]
)
def test_no_list_asks_once_per_row(
    api: Api, team: Team, now: datetime, name: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(4):
        rows.walk(team, now, f"Trend {number}")
    api.get(f"{name}/")
    with django_assert_num_queries(queries):
        assert len(api.get(f"{name}/")["results"]) == 4


def test_one_signal_asks_no_more_for_many_accounts(
    api: Api, team: Team, now: datetime, django_assert_num_queries: Any
) -> None:
    made = rows.walk(team, now)
    for _ in range(3):
        _, ticket = rows.accepted(made.signal, rows.subscription(made.strategy, brokers.account(team), now), now)
        brokers.filled(brokers.order(ticket), at=now)
    api.get("signals/")
    with django_assert_num_queries(9):
        assert len(api.get(f"signals/{made.signal.code}/")["decisions"]) == 4


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written(api: Api, name: str, method: str) -> None:
    answer = getattr(api.client, method)(f"/api/v1/{name}/")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method-not-allowed"


def test_signals_are_found_by_strategy_ticker_and_moment(api: Api, team: Team, now: datetime) -> None:
    first, second = rows.strategy(team, now, "First"), rows.strategy(team, now, "Second")
    rows.signal(first, now - timedelta(hours=1))
    reading = {"action": "sell", "instrument": {"class": "stock", "symbol": "MSFT"}}
    match = rows.signal(second, now, reading=reading)
    for query in ({"strategy": second.code}, {"ticker": "msft"}, {"since": "2026-11-20T15:00:00Z"}):
        assert one(api.get("signals/", **query))["id"] == str(match.code), query


def test_decisions_are_found_by_status_strategy_ticker_signal_and_subscription(
    api: Api, team: Team, now: datetime
) -> None:
    made = rows.walk(team, now)
    strategy = rows.strategy(team, now, "Other")
    reading = {"action": "sell", "instrument": {"class": "stock", "symbol": "MSFT"}}
    rows.rejected(rows.signal(strategy, now, reading=reading), rows.subscription(strategy, made.account, now), now)
    queries: list[dict[str, Any]] = [
        {"status": "accepted"},
        {"strategy": made.strategy.code},
        {"ticker": "AAPL"},
        {"signal": made.signal.code},
        {"subscription": made.subscription.code},
    ]
    for query in queries:
        assert one(api.get("decisions/", **query))["id"] == str(made.decision.code), query
    assert api.refused("decisions/", status="filled")["code"] == "invalid-status"


@pytest.mark.django_db(transaction=True)
def test_a_list_that_takes_too_long_is_given_up_with_what_to_do(
    api: Api, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = rows.signal(rows.strategy(team, now), now)
    monkeypatch.setattr(patience, "PATIENCE_MS", 100)
    # What a statement waits for stands for what it reads.
    with psycopg.connect(**direct_parameters()) as session, session.transaction():
        session.execute("LOCK TABLE strategies_signal IN ACCESS EXCLUSIVE MODE")
        answer = api.ask("signals/?ticker=AAPL&action=buy")
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "too-much-to-look-through",
        "message": "Too many rows had to be looked through for ticker, action. Send fewer filters,"
        " or `since` with a later moment.",
        "field": "ticker",
    }
    assert one(api.ask("signals/?ticker=AAPL&action=buy").json())["id"] == str(signal.code)


def test_since_finds_what_came_at_that_moment_or_later(api: Api, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    moments = [now + timedelta(minutes=90 * number) for number in range(12)]
    # Two came the other way round: what was received first was stored last.
    moments[4], moments[5] = moments[4] + timedelta(minutes=20), moments[4]
    made = [(at, str(rows.signal(strategy, at).code)) for at in moments]
    for since in (*moments, moments[0] - timedelta(days=400), moments[-1] + timedelta(seconds=1)):
        answer = api.ask(f"signals/?since={since:%Y-%m-%dT%H:%M:%SZ}")
        expected = [code for at, code in reversed(made) if at >= since]
        assert [each["id"] for each in answer.json()["results"]] == expected
