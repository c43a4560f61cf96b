"""The record as its readers see it: who may, filters, pages, and files that a spreadsheet never runs."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.audit import search
from accounts.models import Team, User
from accounts.pages.paging import SIZE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(team: Team, alice: User, now: datetime) -> str:
    for number, name in enumerate(("=1+1", "<b>bold</b>", "thing 3")):
        audit.record(
            team=team,
            actor=alice,
            action="strategy.changed" if number else "guard.halted",
            subject=name,
            now=now + timedelta(hours=number),
            after={"n": number},
        )
    return f"/teams/{team.code}/record/"


async def file(user: User, path: str) -> str:
    client = AsyncClient()
    await client.aforce_login(user)
    answer = await client.get(path)
    return "".join([piece.decode() async for piece in answer.streaming_content])  # type: ignore[attr-defined]


def test_owners_see_it_others_do_not(client: Client, alice: User, bob: User, charlie: User, path: str) -> None:
    assert client.get(path).status_code == 302
    for each, (user, status) in enumerate(((charlie, 404), (bob, 403), (alice, 200))):
        client.force_login(user)
        for way in ("", "csv/", "json/") if each < 2 else ("",):
            assert client.get(path + way).status_code == status


def test_it_says_who_did_what_and_runs_nothing(client: Client, alice: User, path: str) -> None:
    client.force_login(alice)
    page = client.get(path).text
    assert "alice@example.com" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("kind=guard.", "=1+1", "thing 3"),
        ("subject=thing", "thing 3", "=1+1"),
        ("actor=ALICE&subject=thing", "thing 3", "=1+1"),
        ("since=2026-11-20T17:00", "thing 3", "=1+1"),
        ("until=2026-11-20T16:00", "=1+1", "thing 3"),
    ],
)
def test_filters_narrow_it(client: Client, alice: User, path: str, query: str, shown: str, hidden: str) -> None:
    client.force_login(alice)
    page = client.get(f"{path}?{query}").text
    assert f"</strong> {shown}" in page
    assert f"</strong> {hidden}" not in page


def test_it_speaks_in_words(client: Client, alice: User, team: Team, path: str, now: datetime) -> None:
    for action, subject in (
        ("connection.proxy_shown", "PAPER1 (proxy header)"),
        ("team.invited", "Dora"),
        ("subscription.enabled", "7ff0bd0f-54a2-4ba2-a9d5-e1d9b4b4d5a1"),
    ):
        audit.record(team=team, actor=alice, action=action, subject=subject, now=now)
    client.force_login(alice)
    page = client.get(path).text
    assert 'title="connection.proxy_shown">Connection: proxy shown</strong> PAPER1 (proxy header)' in page
    assert ">Team: invited</strong> Dora" in page
    # Of what is gone, its code is all there is to say.
    assert ">Subscription: enabled</strong> 7ff0bd0f-54a2-4ba2-a9d5-e1d9b4b4d5a1" in page
    assert f'href="/teams/{team.code}/settings/"' in page[page.index("<main") :]


def test_times_are_read_in_the_viewers_zone(client: Client, alice: User, path: str) -> None:
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    client.force_login(alice)
    page = client.get(f"{path}?since=2026-11-21T02:00").text
    assert "</strong> thing 3" in page
    assert "</strong> =1+1" not in page
    assert "2026-11-21 02:00:00" in page


def test_an_empty_answer_says_so_and_a_bad_filter_widens_no_file(client: Client, alice: User, path: str) -> None:
    client.force_login(alice)
    assert "Nothing fits these filters" in client.get(f"{path}?subject=nowhere").text
    answer = client.get(f"{path}csv/?since=yesterday")
    assert (answer.status_code, answer.text) == (422, "From: Write a day and a time, such as 2026-11-20T15:30.")
    client.force_login(User.objects.create_user("dana@example.com"))
    assert "Nothing is recorded yet" in client.get("/you/record/").text


def test_pages_go_on_where_the_one_before_ended(
    client: Client, alice: User, team: Team, path: str, now: datetime
) -> None:
    for number in range(SIZE):
        audit.record(team=team, actor=None, action="swept", subject=f"<{number}>", now=now)
    client.force_login(alice)
    assert client.get(path).text.count("<strong title=") == SIZE
    assert client.get(f"{path}?before=5").text.count("<strong title=") == 4
    for before in ("x", "-1", "9" * 30, "\u0665"):
        assert client.get(path, {"before": before}).status_code == 200


async def test_the_files_hold_the_same_and_no_formula(alice: User, path: str) -> None:
    rows = list(csv.DictReader(io.StringIO((await file(alice, f"{path}csv/?kind=guard.")).removeprefix("\ufeff"))))
    assert [(row["subject"], row["actor"]) for row in rows] == [("'=1+1", "alice@example.com")]
    values = json.loads(await file(alice, f"{path}json/"))
    assert [value["number"] for value in values] == [4, 3, 2, 1]
    assert values[2]["after"] == {"n": 0}


def test_ones_own_record_holds_nobody_elses(client: Client, alice: User, bob: User, now: datetime) -> None:
    for person in (alice, bob):
        audit.record_person(person=person, actor=person, action="signed_in", subject=f"in {person.pk}", now=now)
    client.force_login(alice)
    page = client.get("/you/record/").text
    assert f"in {alice.pk}" in page
    assert f"in {bob.pk}" not in page
    assert 'name="actor"' not in page


def test_a_file_is_read_a_portion_of_the_record_at_a_time(
    team: Team, path: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_THROUGH", 2)
    monkeypatch.setattr(search, "CHUNK", 1)
    chain = search.whole_of_team(team)
    for wanted in (search.Search(), search.Search(subject="thing"), search.Search(kind="order.")):
        with CaptureQueriesContext(connection) as asked:
            rows = list(search.all_found(chain, wanted))
        assert [row for row in rows if row] == list(search.found(chain, wanted))
        _, *reads = [query["sql"] for query in asked.captured_queries if "accounts_auditentry" in query["sql"]]
        spans = [sql for sql in reads if '"number" > ' in sql and '"number" <= ' in sql]
        by_key = [sql for sql in reads if '"id" IN (' in sql]
        assert (len(spans) >= 2, len(spans) + len(by_key)) == (True, len(reads))


def test_what_is_appended_while_a_file_is_read_is_left_out(team: Team, path: str, now: datetime) -> None:
    chain = search.whole_of_team(team)
    before, rows = list(search.found(chain, search.Search())), search.all_found(chain, search.Search())
    first = next(rows)
    audit.record(team=team, actor=None, action="guard.halted", subject="later", now=now)
    assert [row for row in (first, *rows) if row] == before
