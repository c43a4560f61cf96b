"""The team's record over REST: the same entries as its page, for the same people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts import audit, teams
from accounts.audit import export, search
from accounts.models import AuditChain, AuditEntry, Membership, Role, Team, User
from accounts.pages.record import OWN_KINDS
from accounts.tests.api.client import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(team: Team, alice: User, now: datetime) -> Api:
    api = Api(team, alice)
    for number, name in enumerate(("=1+1", "<b>bold</b>", "thing 3")):
        audit.record(
            team=team,
            actor=None if number == 1 else alice,
            action="strategy.changed" if number else "guard.halted",
            subject=name,
            now=now + timedelta(hours=number),
            after={"n": number},
        )
    return api


def subjects(api: Api, **query: Any) -> list[str]:
    return [entry["subject"] for entry in api.get("record/", **query)["results"] if entry["after"] != {"scopes": []}]


def test_entries_carry_all_that_is_signed_newest_first(api: Api, team: Team) -> None:
    entries = api.get("record/")["results"]
    assert [entry["number"] for entry in entries] == [*range(len(entries), 0, -1)]
    assert [*entries[0]] == export.COLUMNS
    newest = AuditEntry.objects.get(chain__team=team, number=len(entries))
    assert entries[0] == export.record(newest)
    assert (entries[0]["actor"], entries[1]["actor"]) == ("alice@example.com", "")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"kind": "guard"}, ["=1+1"]),
        ({"kind": "strategy", "subject": "THING"}, ["thing 3"]),
        ({"actor": "ALICE", "kind": "strategy"}, ["thing 3"]),
        ({"kind": "strategy", "since": "2026-11-20T17:00:00Z"}, ["thing 3"]),
        ({"kind": "strategy", "until": "2026-11-20T17:00:00Z"}, ["<b>bold</b>"]),
        ({"subject": "nowhere"}, []),
    ],
)
def test_it_has_the_filters_of_the_page(api: Api, query: dict[str, str], shown: list[str]) -> None:
    assert subjects(api, **query) == shown


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"kind": "guard."}, "invalid-kind", "kind"),
        ({"kind": ""}, "invalid-kind", "kind"),
        ({"kind": "signed_in"}, "invalid-kind", "kind"),
        ({"actor": "a" * 255}, "invalid-actor", "actor"),
        ({"subject": "a" * 121}, "invalid-subject", "subject"),
        ({"subject": "a\x00b"}, "invalid-subject", "subject"),
        ({"since": "yesterday"}, "invalid-since", "since"),
        ({"until": "2026-11-20T15:00:00"}, "invalid-until", "until"),
        ({"until": "9" * 400}, "invalid-until", "until"),
        ({"person": "1"}, "unknown-filter", "person"),
        ({"number": "1"}, "unknown-filter", "number"),
        ({"limit": "0"}, "invalid-limit", "limit"),
        ({"cursor": "1"}, "invalid-cursor", "cursor"),
    ],
)
def test_a_filter_that_cannot_be_obeyed_is_refused(api: Api, query: dict[str, str], code: str, field: str) -> None:
    answer = api.refused("record/", **query)
    assert (answer["code"], answer["field"]) == (code, field)


def test_pages_hold_every_entry_once_while_more_arrive(api: Api, team: Team, alice: User, now: datetime) -> None:
    numbers, url = [], "/api/v1/record/?limit=2"
    last = AuditEntry.objects.filter(chain__team=team).count()
    while url:
        page = api.client.get(url).json()
        numbers += [entry["number"] for entry in page["results"]]
        audit.record(team=team, actor=alice, action="guard.halted", subject="meanwhile", now=now)
        url = page["next"]
    assert numbers == [*range(last, 0, -1)]


def test_it_is_for_owners(api: Api, team: Team, bob: User, charlie: User, now: datetime) -> None:
    assert Client().get("/api/v1/record/").status_code == 401
    answer = Api(team, bob, "trade", "approve").refused("record/", 403)
    assert (answer["code"], "owner" in answer["message"]) == ("role-missing", True)
    trader = Membership.objects.get(team=team, user=bob)
    trader.role = Role.TRADER
    trader.save()
    assert Api(team, bob).refused("record/", 403)["code"] == "role-missing"
    theirs = Api(teams.found_team(owner=charlie, name="C", now=now), charlie)
    assert not {"=1+1", "thing 3"} & set(subjects(theirs))


def test_an_owner_who_lost_the_role_reads_no_more(api: Api, team: Team, bob: User) -> None:
    Membership.objects.filter(team=team).update(role=Role.VIEWER)
    assert api.refused("record/", 403)["code"] == "role-missing"


def test_it_holds_no_entry_of_a_person_or_of_the_installation(api: Api, team: Team, alice: User, now: datetime) -> None:
    audit.record_person(person=alice, actor=alice, action="signed_in", subject="own matters", now=now)
    audit.record_installation(actor=None, action="key.rotated", subject="of the installation", now=now)
    assert AuditChain.objects.count() >= 3
    assert not {"own matters", "of the installation"} & set(subjects(api))


def test_nothing_can_be_written_there(api: Api) -> None:
    for method in ("post", "put", "patch", "delete"):
        assert getattr(api.client, method)("/api/v1/record/").status_code == 405


def test_the_description_names_its_filters_and_fields() -> None:
    described = Client().get("/api/v1/schema/", {"format": "json"}).json()
    parameters = {each["name"] for each in described["paths"]["/api/v1/record/"]["get"]["parameters"]}
    assert parameters == {"actor", "kind", "subject", "since", "until", "limit", "cursor"}
    assert list(described["components"]["schemas"]["AuditEntry"]["properties"]) == export.COLUMNS
    orders = {each["name"] for each in described["paths"]["/api/v1/orders/"]["get"]["parameters"]}
    assert {"status", "ticker", "side", "account", "since"} <= orders


def test_every_kind_of_the_page_is_one_here(api: Api) -> None:
    for kind in search.KINDS:
        api.get("record/", kind=kind.rstrip("."))


def test_every_action_that_the_code_writes_belongs_to_a_kind() -> None:
    rooms = [settings.BASE_DIR / room for room in ("accounts", "brokers", "strategies")]
    files = [file for room in rooms for file in room.rglob("*.py") if "tests" not in file.parts]
    written = {
        action for file in files for action in re.findall(r'action="([a-z_]+\.[a-z_]+)"', file.read_text("utf-8"))
    }
    kinds = {*search.KINDS, *dict(OWN_KINDS)} - {""}
    assert len(written) > 50
    assert {action for action in written if not action.startswith(tuple(kinds))} == set()
