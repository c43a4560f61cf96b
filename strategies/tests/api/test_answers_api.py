"""REST: answering proposals, deciding again, switching subscriptions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.tests.api.client import Api
from brokers.connections import sessions
from brokers.domain.sessions import AuthStatus
from brokers.domain.whatif.figures import Figure, OrderPreview
from brokers.models import Order, WhatIf
from brokers.tests import lab
from brokers.whatif import asking
from strategies.models import Decision, Subscription
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db


@pytest.fixture
def decision(team: Team) -> Decision:
    made = proposing.decided(proposing.asking(team, timezone.now()), timezone.now())
    assert made.status == "proposed"
    return made


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice, "approve", "trade")


def refused(answer: Any, status: int) -> tuple[str, str]:
    """Code and field of a refusal."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["message"].endswith(".")
    return body["code"], body.get("field", "")


def sent() -> list[tuple[str, int]]:
    return [(role, int(quantity)) for role, quantity in Order.objects.order_by("role").values_list("role", "quantity")]


def test_a_program_approves(api: Api, alice: User, decision: Decision) -> None:
    answer = api.post(f"decisions/{decision.code}/approve/")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["answered_by"], body["again"]["same"]) == ("accepted", "alice@example.com", True)
    assert [order["role"] for order in body["orders"]] == ["entry", "stop_loss", "take_profit"]
    assert sent() == [("entry", 10), ("stop_loss", 10), ("take_profit", 10)]
    assert AuditEntry.objects.get(action="decision.approved").actor == alice


@pytest.mark.parametrize("quantity", ["4", 4])
def test_it_approves_less(api: Api, decision: Decision, quantity: Any) -> None:
    answer = api.post(f"decisions/{decision.code}/approve/", quantity=quantity)
    assert answer.json()["reason"] == "Open long with 10 shares of AAPL. Approved for 4 of 10."
    assert sent() == [("entry", 4), ("stop_loss", 4), ("take_profit", 4)]


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"quantity": "many"}, "invalid-quantity", "quantity"),
        ({"quantity": None}, "invalid-quantity", "quantity"),
        ({"quantity": "NaN"}, "invalid-quantity", "quantity"),
        ({"amount": "4"}, "unknown-field", "amount"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_field(
    api: Api, decision: Decision, values: dict[str, Any], code: str, field: str
) -> None:
    assert refused(api.post(f"decisions/{decision.code}/approve/", **values), 400) == (code, field)
    assert sent() == []


def test_a_body_that_is_no_object_is_refused(api: Api, decision: Decision) -> None:
    address = f"/api/v1/decisions/{decision.code}/approve/"
    for text, code in (("[1]", "invalid-body"), ("{", "parse-error")):
        answer = api.client.post(address, text, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["code"] == code
    assert api.client.post(address, "quantity=4", content_type="text/plain").status_code == 415


@pytest.mark.parametrize("quantity", ["11", "0", "-1", "1.5"])
def test_a_quantity_that_cannot_be_approved_is_a_conflict(api: Api, decision: Decision, quantity: str) -> None:
    answer = api.post(f"decisions/{decision.code}/approve/", quantity=quantity)
    assert refused(answer, 409) == ("approved-quantity", "")


def test_a_program_declines_with_a_reason(api: Api, decision: Decision) -> None:
    body = api.post(f"decisions/{decision.code}/decline/", reason="Too large today").json()
    assert (body["status"], body["reason_code"]) == ("rejected", "declined")
    assert body["reason"].startswith("Declined by alice@example.com: Too large today")
    assert sent() == []


def test_the_second_answer_is_a_conflict_that_names_the_first(api: Api, decision: Decision) -> None:
    api.post(f"decisions/{decision.code}/decline/")
    answer = api.post(f"decisions/{decision.code}/approve/")
    assert refused(answer, 409) == ("already-answered", "")
    assert answer.json()["message"].startswith("alice@example.com has declined this at")


def test_what_ran_out_of_time_is_a_conflict(api: Api, decision: Decision) -> None:
    Decision.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refused(api.post(f"decisions/{decision.code}/approve/"), 409) == ("approval-expired", "")


@pytest.mark.parametrize("scopes", [(), ("trade",)])
def test_a_token_without_the_scope_may_only_read(
    team: Team, alice: User, decision: Decision, scopes: tuple[str, ...]
) -> None:
    api = Api(team, alice, *scopes)
    assert api.get(f"decisions/{decision.code}/")["status"] == "proposed"
    for word in ("approve", "decline"):
        assert refused(api.post(f"decisions/{decision.code}/{word}/"), 403) == ("scope-missing", "")
    decision.refresh_from_db()
    assert decision.status == "proposed"


def test_the_members_present_role_counts_not_that_of_the_day_the_token_was_made(
    team: Team, bob: User, decision: Decision
) -> None:
    api = Api(team, bob, "approve", "trade")
    path = f"decisions/{decision.code}/decline/"
    assert refused(api.post(path), 403) == ("role-missing", "")
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    subscription = decision.subscription
    assert refused(api.post(f"subscriptions/{subscription.code}/disable/"), 403) == ("role-missing", "")
    assert api.post(path).status_code == 200


def test_another_teams_token_finds_nothing_to_answer(charlie: User, decision: Decision) -> None:
    theirs = Api(teams.found_team(owner=charlie, name="Theirs", now=timezone.now()), charlie, "approve", "trade")
    for path in (
        f"decisions/{decision.code}/approve/",
        f"decisions/{decision.code}/decline/",
        f"subscriptions/{decision.subscription.code}/enable/",
    ):
        assert refused(theirs.post(path), 404) == ("not-found", "")


def test_answers_are_posted(api: Api, decision: Decision) -> None:
    assert api.refused(f"decisions/{decision.code}/approve/", 405)["code"] == "method-not-allowed"


def test_a_decision_at_its_own_address_is_decided_again(api: Api, decision: Decision) -> None:
    answer = api.get(f"decisions/{decision.code}/")
    assert answer["inputs"]["terms"]["approval_seconds"] == 300
    assert answer["inputs"]["snapshot"]["position"] == "0"
    again = answer["again"]
    assert (again["same"], again["rule"], again["reason_code"], again["differences"]) == (True, "D01", "", [])
    assert again["plan"]["intents"][0]["quantity"] == "10"
    assert "inputs" not in api.get("decisions/")["results"][0]


def test_another_answer_of_today_is_told(api: Api, decision: Decision) -> None:
    assert decision.plan is not None
    decision.plan["intents"][0]["quantity"] = "12"
    decision.save()
    again = api.get(f"decisions/{decision.code}/")["again"]
    assert (again["same"], again["unreadable"]) == (False, "")
    assert again["differences"] == [
        {"what": "order 1", "then": "entry: buy 12 AAPL market, day", "now": "entry: buy 10 AAPL market, day"}
    ]


def test_inputs_too_old_to_read_are_neither_the_same_nor_another(api: Api, decision: Decision) -> None:
    Decision.objects.update(inputs={"assessment": []})
    again = api.get(f"decisions/{decision.code}/")["again"]
    assert (again["same"], again["plan"], again["rule"]) == (None, None, None)
    assert again["unreadable"].startswith("This decision was taken without a look")


def test_a_subscription_is_switched_off_and_on(api: Api, decision: Decision) -> None:
    path = f"subscriptions/{decision.subscription.code}"
    assert api.post(f"{path}/disable/").json()["enabled"] is False
    assert not Subscription.objects.get().enabled
    assert api.post(f"{path}/enable/").json()["enabled"] is True
    assert AuditEntry.objects.filter(action="subscription.disabled", actor__email="alice@example.com").count() == 1


def test_the_timeline_has_the_persons_time(api: Api, decision: Decision) -> None:
    asked, answered = decision.decided_at, timezone.now() + timedelta(seconds=3)
    assert asked is not None
    api.post(f"decisions/{decision.code}/approve/")
    Decision.objects.update(answered_at=answered)
    timeline = api.get(f"signals/{decision.signal.code}/")["timeline"]
    assert timeline["decided"]["at"] == asked.isoformat().replace("+00:00", "Z")
    assert timeline["approved"]["ms"] == round((answered - asked).total_seconds() * 1000, 3)


def test_the_description_names_the_answers_and_what_they_take() -> None:
    paths = Client().get("/api/v1/schema/", {"format": "json"}).json()["paths"]
    approve = paths["/api/v1/decisions/{code}/approve/"]["post"]
    assert approve["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Approve")
    for path in ("decisions/{code}/decline/", "subscriptions/{code}/enable/", "subscriptions/{code}/disable/"):
        assert "post" in paths[f"/api/v1/{path}"]


def test_a_program_asks_ibkr_what_a_plan_would_cost(api: Api, decision: Decision) -> None:
    connection = decision.subscription.account.connection
    assert refused(api.post(f"decisions/{decision.code}/what-if/"), 409) == ("no-session", "")
    signed = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
    sessions.kept(connection, signed, timezone.now())
    lab.watched_without_gap(connection)
    answer = api.post(f"decisions/{decision.code}/what-if/")
    assert answer.status_code == 202
    [asked] = answer.json()["what_ifs"]
    assert (asked["position"], asked["status"], asked["answer"], asked["asked_by"]) == (
        0,
        "asked",
        None,
        "alice@example.com",
    )
    preview = OrderPreview(initial=Figure(before=Decimal(0), change=Decimal("500.5"), after=Decimal("500.5")))
    asking.answer(WhatIf.objects.get(), preview, timezone.now())
    [told] = api.get(f"decisions/{decision.code}/")["what_ifs"]
    assert (told["status"], told["currency"]) == ("answered", "USD")
    assert told["answer"]["initial"] == {"before": "0", "change": "500.5", "after": "500.5"}
    assert told["answer"]["commission"] is None
    assert not Order.objects.exists()


def test_a_token_without_the_scope_of_trading_asks_nothing(team: Team, alice: User, decision: Decision) -> None:
    api = Api(team, alice, "approve")
    assert api.post(f"decisions/{decision.code}/what-if/").status_code == 403
    assert not WhatIf.objects.exists()
