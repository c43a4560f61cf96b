"""One list of what needs somebody: read once, pushed as it is, in the order of what is most pressing."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.feed import needs, pushes
from accounts.feed.needs import Kind, Need, Urgency, with_facts
from accounts.models import Team
from accounts.tests.feed.feeds import Page, aside, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_layer")]


def need(key: str, urgency: Urgency, **values: Any) -> Need:
    column = {"symbol": "alert", "title": f"Title of {key}", "text": "Why.", "href": "/x/", "action": "See it"}
    return Need(key=key, urgency=urgency, **{**column, **values})


def kind(name: str, *lines: Need) -> Kind:
    """A kind of need that always says the same."""
    return Kind(
        name=name,
        rows=lambda team, now: with_facts(Team.objects.filter(pk=team.pk)),
        lines=lambda team, now, facts: lines if [each["pk"] for each in facts] == [team.pk] else (),
    )


CALM = [kind("plans", need("plans", Urgency.ANSWER, page="approvals", count=3))]
PRESSING = [
    kind("doubts", need("doubt", Urgency.DOUBT, alarm=True)),
    kind("dangers", need("danger", Urgency.DANGER, alarm=True)),
]


@pytest.fixture
def sources(settings: Any) -> None:
    settings.NEEDS = [f"{__name__}.CALM", f"{__name__}.PRESSING"]


@pytest.mark.usefixtures("sources")
def test_what_presses_most_comes_first(team: Team, now: datetime) -> None:
    read = needs.needs_of(team, now)
    assert [row.key for row in read.rows] == ["danger", "doubt", "plans"]
    assert [row.key for row in read.alarms] == ["danger", "doubt"]
    assert read.counts == {"approvals": 3, "dashboard": 3}


@pytest.mark.usefixtures("sources")
def test_list_banner_and_counts_come_from_one_reading(team: Team) -> None:
    html = needs.needs_html(team.pk)
    assert html.count("<template>") == 2 + 2 * len(needs.PLACES)
    stamps = {part.split('"')[0] for part in html.split('data-feed-at="')[1:]}
    assert len(stamps) == 1
    assert html.index("need-danger") < html.index("need-plans")


def test_readings_that_read_alike_have_one_version(team: Team, now: datetime, settings: Any) -> None:
    settings.NEEDS = [f"{__name__}.CALM"]
    first, second = needs.needs_of(team, now), needs.needs_of(team, now + timedelta(seconds=5))
    assert (first.version, first.stamp < second.stamp) == (second.version, True)
    settings.NEEDS = [f"{__name__}.PRESSING"]
    assert needs.needs_of(team, now).version != first.version


@pytest.mark.usefixtures("sources")
async def test_a_page_whose_line_has_opened_asks_for_them(team: Team, alice: Any) -> None:
    page = await Page(f"/ws/teams/{team.code}/", await _session(alice)).open()
    await page.say(text="needs")
    assert "need-danger" in await page.hear_text()
    await page.leave()


@pytest.mark.usefixtures("sources")
async def test_a_burst_of_changes_is_read_at_its_beginning_and_at_its_end(team: Team, alice: Any) -> None:
    page = await Page(f"/ws/teams/{team.code}/", await _session(alice)).open()

    def burst() -> None:
        for number in range(40):
            pushes.push_on_commit(team.pk, f"row.{number}", lambda: "row")
            needs.needs_changed(team.pk)
            pushes.flush(0.05)
        pushes.flush()
        pushes.push_on_commit(team.pk, "end", lambda: "end")

    started = time.monotonic()
    await aside(burst)
    # The machine may be slow; what counts is that they keep their distance.
    most = 3 + (time.monotonic() - started) / needs.PAUSE_SECONDS
    heard = []
    while (text := await page.hear_text()) != "end":
        heard.append(text)
    lists = [index for index, text in enumerate(heard) if "need-danger" in text]
    assert 2 <= len(lists) <= most
    assert lists[-1] == len(heard) - 1
    await page.leave()


async def _session(user: Any) -> str:
    sessions: list[str] = []
    await aside(lambda: sessions.append(signed_in(user)))
    return sessions[0]
