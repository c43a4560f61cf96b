"""REST: the team's answers to IBKR's questions, read and set."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.tests.api.client import Api
from brokers.models import Connection, QuestionAnswer
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice, "trade")


def listed(api: Api) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in api.get("questions/")["results"]}


def put(api: Api, message_id: str, **body: Any) -> Any:
    return api.client.put(f"/api/v1/questions/{message_id}/", body, content_type="application/json")


def test_every_known_question_is_listed_with_its_risk_and_answer(api: Api) -> None:
    rows_by_id = listed(api)
    assert (rows_by_id["o354"]["answer"], rows_by_id["o354"]["confirmed"]) == ("default", True)
    assert (rows_by_id["o383"]["confirmed"], rows_by_id["o383"]["asked_times"]) == (False, 0)
    assert rows_by_id["p12"]["risk"].startswith("IBKR may work the order")


def test_a_program_answers_and_goes_back(api: Api, alice: User) -> None:
    answer = put(api, "o383", answer="yes")
    assert answer.status_code == 200
    assert (answer.json()["answer"], answer.json()["confirmed"]) == ("yes", True)
    assert listed(api)["o383"]["answer"] == "yes"
    assert AuditEntry.objects.get(action="question.answer").actor == alice
    assert put(api, "o383", answer="default").json()["confirmed"] is False
    assert put(api, "o99999", answer="no").json()["known"] is False
    assert put(api, "o99999", answer="default").json()["answer"] == "default"
    assert not QuestionAnswer.objects.exists()


@pytest.mark.parametrize(
    ("message_id", "body", "code"),
    [
        ("o383", {"answer": "perhaps"}, "invalid-answer"),
        ("o383", {"answer": None}, "invalid-answer"),
        ("o383", {}, "invalid-answer"),
        ("o383", {"answer": "yes", "team": "x"}, "unknown-field"),
        ("DROP", {"answer": "yes"}, "unknown-question"),
        ("o" * 500, {"answer": "no"}, "unknown-question"),
    ],
)
def test_what_is_no_answer_is_refused(api: Api, message_id: str, body: dict[str, Any], code: str) -> None:
    answer = put(api, message_id, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not QuestionAnswer.objects.exists()


def test_a_yes_is_for_people_while_real_money_can_move(api: Api, team: Team) -> None:
    connection = rows.connection(team)
    Connection.objects.filter(pk=connection.pk).update(environment="live", live_account="U1", prices="generated")
    refused = put(api, "o383", answer="yes")
    assert (refused.status_code, refused.json()["code"]) == (403, "yes-by-people")
    assert put(api, "o354", answer="no").status_code == 200
    assert list(QuestionAnswer.objects.values_list("message_id", "confirmed")) == [("o354", False)]


@pytest.mark.parametrize(
    ("role", "scope"), [(Role.VIEWER, "trade"), (Role.APPROVER, "trade"), (Role.TRADER, "approve")]
)
def test_who_may_not_trade_sets_nothing(team: Team, bob: User, role: Role, scope: str) -> None:
    Membership.objects.filter(team=team, user=bob).update(role=role)
    api = Api(team, bob, scope)
    assert put(api, "o354", answer="no").status_code == 403
    assert len(listed(api)) > 20
    assert not QuestionAnswer.objects.exists()
