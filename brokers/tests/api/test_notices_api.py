"""REST: what owners were told, and what became of it on the way to each of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import teams
from accounts.models import Membership, Team, User
from accounts.tests.api.client import Api
from brokers.domain.notices import NoticeKind
from brokers.models import Delivery, Destination, Notice
from brokers.notices import telling
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def chat(of: Membership, notice: Notice, name: str, status: str) -> None:
    place = Destination.objects.create(
        membership=of, team=of.team, service="slack", name=name, host="example.org", created_at=timezone.now()
    )
    Delivery.objects.create(
        notice=notice, destination=place, status=status, due_at=timezone.now(), error="It is gone.", tries=2
    )


def test_a_program_reads_what_was_told_and_what_became_of_it(team: Team, alice: User, bob: User) -> None:
    now = timezone.now()
    connection, other = rows.connection(team, name="Paper"), rows.connection(team, name="Live")
    telling.tell_once(connection, NoticeKind.NOT_CANCELED, "a", "It works on.", now - timedelta(hours=2))
    telling.tell_once(other, NoticeKind.MISSING_STOP, "b", "No stop.", now)
    first, second = Notice.objects.order_by("pk")
    chat(Membership.objects.get(team=team, user=alice), second, "my chat", "failed")
    chat(Membership.objects.get(team=team, user=bob), second, "the chat of another", "failed")
    api = Api(team, alice)
    newest, older = api.get("notices/")["results"]
    assert (newest["kind"], newest["why"], newest["connection"]) == ("missing-stop", "No stop.", str(other.code))
    assert [way["by"] for way in older["ways"]] == ["email"]
    assert [(way["by"], way["to"], way["status"], way["tries"]) for way in newest["ways"]] == [
        ("email", alice.email, newest["ways"][0]["status"], 0),
        ("slack", "my chat", "failed", 2),
    ]
    assert newest["ways"][1]["error"] == "It is gone."
    assert older["event"] == first.event


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "missing-stop"}, ["missing-stop"]),
        ({"limit": "1"}, ["missing-stop"]),
        ({"since": "late"}, ["missing-stop"]),
    ],
)
def test_it_is_narrowed_and_has_pages(team: Team, alice: User, query: dict[str, str], found: list[str]) -> None:
    now = timezone.now()
    connection = rows.connection(team)
    telling.tell_once(connection, NoticeKind.NOT_CANCELED, "a", "It works on.", now - timedelta(hours=2))
    telling.tell_once(connection, NoticeKind.MISSING_STOP, "b", "No stop.", now)
    if query.get("since"):
        query = {"since": (now - timedelta(hours=1)).isoformat()}
    api = Api(team, alice)
    page = api.get("notices/", **query)
    assert [row["kind"] for row in page["results"]] == found
    if "limit" in query:
        (older,) = api.client.get(page["next"]).json()["results"]
        assert older["kind"] == "not-canceled"
    named = api.get("notices/", connection=str(connection.code))["results"]
    assert [row["kind"] for row in named] == ["missing-stop", "not-canceled"]
    assert api.refused("notices/", kind="nonsense")["code"] == "invalid-kind"


def test_another_teams_are_not_there(team: Team, alice: User, charlie: User) -> None:
    telling.tell_once(rows.connection(team), NoticeKind.MISSING_STOP, "b", "No stop.", timezone.now())
    others = teams.found_team(owner=charlie, name="Others", now=timezone.now())
    assert Api(others, charlie).get("notices/")["results"] == []
