"""REST: how each level stands, and the kill switch."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.tests.api.client import Api
from brokers.models import Order
from strategies.control import limits
from strategies.models import Decision, Guard
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice, "trade")


@pytest.fixture
def decision(team: Team) -> Decision:
    """Ten AAPL with their protection, not sent yet."""
    made = proposing.decided(proposing.asking(team, timezone.now(), auto_submit=True), timezone.now())
    assert made.status == "accepted"
    return made


def refused(answer: Any, status: int) -> tuple[str, str]:
    assert answer.status_code == status, answer.content
    body = answer.json()
    return body["code"], body.get("field", "")


def test_every_level_is_listed_with_its_limits_stops_and_figures(api: Api, team: Team, decision: Decision) -> None:
    account = decision.subscription.account
    limits.set_limits(
        team=team,
        target=account,
        actor=None,
        now=timezone.now(),
        limits={"max_trades_per_day": 5, "max_position": Decimal("100.50")},
    )
    listed = api.get("guards/")["results"]
    assert [each["level"] for each in listed] == ["team", "account", "strategy", "subscription"]
    assert listed[0]["id"] == str(team.code)
    [mine] = api.get("guards/", level="account")["results"]
    assert mine == api.get(f"guards/account/{account.code}/")
    assert (mine["id"], mine["halt"], mine["halt_reason"], mine["halted_at"]) == (
        str(account.code),
        "nothing",
        "",
        None,
    )
    assert mine["limits"] == {"max_trades_per_day": 5, "max_position": "100.5"}
    assert (mine["figures"]["entries_today"], mine["figures"]["currency"]) == (1, "USD")


def test_a_stop_cancels_and_holds_until_it_is_resumed(api: Api, team: Team, decision: Decision) -> None:
    path = f"guards/strategy/{decision.subscription.strategy.code}/"
    answer = api.post(f"{path}halt/", how="everything", reason="Fed in five minutes")
    assert answer.status_code == 200
    stopped = answer.json()
    assert (stopped["halt"], stopped["halt_reason"]) == ("everything", "Fed in five minutes")
    assert (stopped["halted_by"], stopped["done"]) == (
        "alice@example.com",
        {"canceled": 1, "declined": 0, "closing": 0, "elsewhere": 0, "not_closed": []},
    )
    assert set(Order.objects.values_list("status", flat=True)) == {"canceled"}
    held = proposing.decided(decision.subscription.strategy, timezone.now())
    assert (held.status, held.rule) == ("rejected", "G00")
    resumed = api.post(f"{path}resume/", reason="It is over")
    assert (resumed.status_code, resumed.json()["halt"]) == (200, "nothing")
    assert AuditEntry.objects.filter(action__in=["guard.halted", "guard.resumed"], actor__isnull=False).count() == 2
    by = AuditEntry.objects.filter(action__startswith="guard.").values_list("origin", "address").distinct()
    assert list(by) == [("API token test", "127.0.0.1")]


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({}, "invalid-how", "how"),
        ({"how": "nothing", "reason": "x"}, "invalid-how", "how"),
        ({"how": "entries"}, "invalid-reason", "reason"),
        ({"how": "entries", "reason": "  "}, "invalid-reason", "reason"),
        ({"how": "entries", "reason": "x", "close": True}, "unknown-field", "close"),
    ],
)
def test_a_stop_needs_to_say_what_and_why(api: Api, team: Team, values: dict[str, Any], code: str, field: str) -> None:
    assert refused(api.post(f"guards/team/{team.code}/halt/", **values), 400) == (code, field)
    assert not Guard.objects.exclude(halt="nothing").exists()


def test_what_does_not_fit_the_moment_is_a_conflict(api: Api, team: Team) -> None:
    path = f"guards/team/{team.code}"
    assert refused(api.post(f"{path}/resume/", reason="x"), 409) == ("nothing-stopped", "")
    api.post(f"{path}/halt/", how="everything", reason="x")
    assert refused(api.post(f"{path}/halt/", how="entries", reason="x"), 409) == ("already-stopped", "")


def test_anybody_who_trades_stops_the_team_and_an_owner_resumes_it(team: Team, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.TRADER)
    api, path = Api(team, bob, "trade"), f"guards/team/{team.code}"
    assert api.post(f"{path}/halt/", how="entries", reason="x").status_code == 200
    assert refused(api.post(f"{path}/resume/", reason="x"), 403) == ("role-missing", "")
    Membership.objects.filter(user=bob).update(role=Role.OWNER)
    assert api.post(f"{path}/resume/", reason="x").status_code == 200


def test_a_token_that_reads_reads_guards_and_stops_nothing(team: Team, alice: User) -> None:
    api = Api(team, alice, "approve")
    assert api.get(f"guards/team/{team.code}/")["halt"] == "nothing"
    for verb in ("halt", "resume"):
        assert refused(api.post(f"guards/team/{team.code}/{verb}/", reason="x"), 403) == ("scope-missing", "")


def test_what_another_team_has_is_not_there(charlie: User, team: Team, decision: Decision) -> None:
    theirs = Api(teams.found_team(owner=charlie, name="Theirs", now=timezone.now()), charlie, "trade")
    for where in (f"team/{team.code}", f"account/{decision.subscription.account.code}", f"planet/{team.code}"):
        assert theirs.refused(f"guards/{where}/", 404)["code"] == "not-found"
        assert refused(theirs.post(f"guards/{where}/halt/", how="entries", reason="x"), 404) == ("not-found", "")
    assert [each["level"] for each in theirs.get("guards/")["results"]] == ["team"]


def test_a_filter_that_is_none_is_refused(api: Api) -> None:
    assert api.refused("guards/", level="planet")["code"] == "invalid-level"
    assert api.refused("guards/", status="x")["code"] == "unknown-filter"


def test_the_description_names_the_switch(db: None) -> None:
    paths = Client().get("/api/v1/schema/", {"format": "json"}).json()["paths"]
    for verb in ("halt", "resume"):
        assert "post" in paths[f"/api/v1/guards/{{level}}/{{code}}/{verb}/"]
