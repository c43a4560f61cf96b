"""The page on which a team answers IBKR's questions, and what its answers do to an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import AuditEntry, Team, User
from brokers.models import Connection, QuestionAnswer
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def answer(client: Client, team: Team, **sent: str) -> Any:
    return client.post(f"/teams/{team.code}/questions/", sent, follow=True)


def asked(bench: lab.Lab, *ids: str) -> tuple[str, str]:
    """What becomes of an order that IBKR asks about."""
    match = {"method": "POST", "path": "/iserver/account/*/orders", "user": bench.user}
    bench.gateway.fault(action={"question": list(ids)}, match=match)
    order = bench.order(type="limit", limit_price=Decimal(1))
    lab.work()
    order.refresh_from_db()
    return order.status, order.reason_code


def test_a_teams_yes_places_what_halyard_would_decline(bench: lab.Lab, signed_in: Client, team: Team) -> None:
    assert asked(bench, "o383") == ("rejected", "asked-about-size")
    page = answer(signed_in, team, message_id="o383", answer="yes")
    assert "Question o383 is answered with yes from now on." in page.text
    assert asked(bench, "o383", "o354") == ("accepted", "")
    answer(signed_in, team, message_id="o354", answer="no")
    assert asked(bench, "o383", "o354")[0] == "rejected"
    answer(signed_in, team, message_id="o383", answer="default")
    assert list(QuestionAnswer.objects.values_list("message_id", "confirmed")) == [("o354", False)]
    assert AuditEntry.objects.filter(action="question.answer").count() == 3


def test_an_unknown_question_is_shown_with_ibkrs_words_and_can_be_allowed(
    bench: lab.Lab, signed_in: Client, team: Team
) -> None:
    assert asked(bench, "o99999") == ("rejected", "asked")
    page = signed_in.get(f"/teams/{team.code}/questions/").text
    assert "o99999" in page
    assert "Not known to Halyard" in page
    assert "Asked 1 time in 90 days" in page
    answer(signed_in, team, message_id="o99999", answer="yes")
    assert asked(bench, "o99999") == ("accepted", "")


def test_another_teams_answers_count_for_nobody_else(bench: lab.Lab, bob: User) -> None:
    theirs = teams.found_team(owner=bob, name="Theirs", now=timezone.now())
    QuestionAnswer.objects.create(team=theirs, message_id="o383", confirmed=True, chosen_at=timezone.now())
    assert asked(bench, "o383") == ("rejected", "asked-about-size")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"message_id": "o354", "answer": "perhaps"}, "unknown-choice"),
        ({"message_id": "", "answer": "no"}, "unknown-question"),
        ({"message_id": "o354; DROP", "answer": "no"}, "unknown-question"),
        ({"message_id": "o" + "9" * 12, "answer": "no"}, "unknown-question"),
        ({"message_id": "o\uff11\uff12", "answer": "no"}, "unknown-question"),
    ],
)
def test_what_is_no_answer_is_refused(signed_in: Client, team: Team, sent: dict[str, str], code: str) -> None:
    assert f"({code})" in answer(signed_in, team, **sent).text
    assert not QuestionAnswer.objects.exists()
    assert not Connection.objects.filter(team=team, confirms_exits=True).exists()
