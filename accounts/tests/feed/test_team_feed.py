"""The browser's end of the team feed: who may listen, what arrives, when it ends."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from channels.db import database_sync_to_async
from django.contrib.sessions.backends.db import SessionStore

from accounts import teams
from accounts.feed import consumers, pushes
from accounts.models import Membership, Role, Team, User
from accounts.tests.feed.feeds import HOST, Page, aside, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_layer")]


@pytest.fixture
def alices(alice: User) -> str:
    return signed_in(alice)


@pytest.fixture
def bobs(bob: User) -> str:
    return signed_in(bob)


@pytest.fixture
def charlies(charlie: User) -> str:
    return signed_in(charlie)


@pytest.fixture
def theirs(charlie: User, now: datetime) -> Team:
    return teams.found_team(owner=charlie, name="Charlie's", now=now)


def path(team: Team) -> str:
    return f"/ws/teams/{team.code}/"


async def is_shut_out(page: Page) -> bool:
    """Accepted, so that the page can read the code, and closed at once."""
    await page.open()
    return await page.is_closed() == 4404


async def push(team: Team, html: str) -> None:
    await aside(lambda: pushes.push_on_commit(team.pk, html, lambda: html))


async def test_everybody_of_the_team_hears_what_is_pushed(team: Team, alices: str, bobs: str) -> None:
    pages = [await Page(path(team), session).open() for session in (alices, bobs)]
    await push(team, '<tr id="order-1">filled</tr>')
    assert [await page.hear_text() for page in pages] == ['<tr id="order-1">filled</tr>'] * 2
    for page in pages:
        await page.leave()


async def test_a_stranger_is_shut_out(team: Team, charlies: str) -> None:
    assert await is_shut_out(Page(path(team), charlies))


async def test_nobody_signed_in_is_shut_out(team: Team) -> None:
    assert await is_shut_out(Page(path(team), None))


async def test_a_team_that_does_not_exist_looks_the_same(alices: str) -> None:
    assert await is_shut_out(Page(f"/ws/teams/{uuid.uuid4()}/", alices))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://halyard.example:9000", "http://halyard.example", "null", ""]
)
async def test_pages_of_other_sites_are_shut_out(team: Team, alices: str, origin: str) -> None:
    assert await is_shut_out(Page(path(team), alices, origin=origin))


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}", None])
async def test_our_own_pages_and_programs_without_an_origin_come_in(
    team: Team, alices: str, origin: str | None
) -> None:
    page = await Page(path(team), alices, origin=origin).open()
    assert await page.ping() > 0
    await page.leave()


async def test_what_a_page_says_is_ignored_but_for_its_ping(team: Team, alices: str, bobs: str) -> None:
    page, other = [await Page(path(team), session).open() for session in (alices, bobs)]
    await page.say(text='{"type": "feed.html", "html": "<b>forged</b>"}')
    await page.say(data=b"ping")
    assert await page.ping() > 0
    await push(team, "first")
    assert await other.hear_text() == "first"
    for each in (page, other):
        await each.leave()


async def test_another_teams_pushes_are_not_heard(team: Team, alices: str, theirs: Team) -> None:
    page = await Page(path(team), alices).open()
    await push(theirs, "theirs")
    await push(team, "ours")
    assert await page.hear_text() == "ours"
    await page.leave()


async def test_a_removed_member_is_disconnected_and_the_others_are_not(
    team: Team, alice: User, bob: User, alices: str, bobs: str, now: datetime
) -> None:
    hers, his = [await Page(path(team), session).open() for session in (alices, bobs)]
    membership = await Membership.objects.select_related("team", "user").aget(team=team, user=bob)
    await aside(lambda: teams.remove(membership=membership, actor=alice, now=now))
    assert await his.is_closed() == 4404
    await push(team, "still here")
    assert await hers.hear_text() == "still here"
    assert await is_shut_out(Page(path(team), bobs))
    await hers.leave()


async def test_a_demoted_member_asks_again_by_the_new_role(
    team: Team, alice: User, bob: User, alices: str, bobs: str, now: datetime
) -> None:
    await Membership.objects.filter(team=team, user=bob).aupdate(role="owner")
    hers, his = [await Page(path(team), session).open() for session in (alices, bobs)]
    membership = await Membership.objects.select_related("team", "user").aget(team=team, user=bob)
    await aside(lambda: teams.change_role(membership=membership, role=Role.VIEWER, actor=alice, now=now))
    assert await his.is_closed() == 4409
    again = await Page(path(team), bobs).open()
    await push(team, "still here")
    # The needs come first: somebody who knew secrets has departed.
    while "still here" not in (await hers.hear_text()):
        pass
    while "still here" not in (await again.hear_text()):
        pass
    for page in (hers, again):
        await page.leave()


async def test_signing_out_closes_the_pages_of_that_session_only(team: Team, alice: User, alices: str) -> None:
    other = await database_sync_to_async(signed_in)(alice)
    page, kept = await Page(path(team), alices).open(), await Page(path(team), other).open()

    await aside(lambda: SessionStore(alices).delete())

    assert await page.is_closed() == 4401
    await push(team, "<p id=x>still here</p>")
    assert await kept.hear_text() == "<p id=x>still here</p>"
    await kept.leave()


@pytest.mark.parametrize("why", ["password", "idle", "second factor", "left"])
async def test_an_open_page_is_asked_again(
    team: Team, alice: User, bob: User, bobs: str, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(consumers, "ASKED_EVERY", 0.0)
    page = await Page(path(team), bobs).open()
    assert await page.ping() > 0

    await aside(lambda: end(why, team, bob, bobs))

    await page.say(text="ping")
    assert await page.is_closed() == (4401 if why in {"password", "idle"} else 4404)


def end(why: str, team: Team, user: User, session_key: str) -> None:
    """Make an end of somebody's stay, without telling their open pages."""
    match why:
        case "password":
            user.set_password("another one entirely")
            user.save()
        case "idle":
            session = SessionStore(session_key)
            session["seen_at"] = 0
            session.save()
        case "second factor":
            Team.objects.filter(pk=team.pk).update(second_factor_from="viewer")
        case "left":
            Membership.objects.filter(team=team, user=user).delete()
