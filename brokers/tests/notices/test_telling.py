"""Notices to owners: written before they are sent, once for every event, person and channel."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection as database
from django.test import Client

from accounts import teams
from accounts.feed.needs import needs_of
from accounts.models import Membership, Role, Team, User
from brokers.connections import sessions
from brokers.domain.notices import NoticeChannel, NoticeKind
from brokers.domain.orders import AssetClass
from brokers.domain.sessions import AuthStatus
from brokers.models import Connection, Dispatch, Notice, OrderPrompt, SilencedNotice
from brokers.notices import telling
from brokers.notices.markets import Markets
from brokers.postgres.locks import Space, try_only_one
from brokers.rulebook.calendars import cme_futures, us_shares
from brokers.rulebook.clocks import session_at
from brokers.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
# Thursday, half an hour before New York opens; and the Monday after a Sunday.
BEFORE = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)
OPEN = BEFORE + timedelta(minutes=30)
SUNDAY = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
READY = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
GONE = AuthStatus(authenticated=False, connected=False, competing=False)


@pytest.fixture
def paper(team: Team, alice: User) -> Connection:
    made = rows.connection(team, name="Main")
    at = BEFORE - timedelta(hours=5)
    columns = {"turned_at": at, "signed_in_at": at, "session_changed_at": at, "created_at": at}
    Connection.objects.filter(pk=made.pk).update(environment="paper", username="PAPER1", **columns)
    made.refresh_from_db()
    sessions.seen(made.pk, GONE, at + timedelta(minutes=1))
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return made


def told(now: datetime) -> int:
    telling.look(now)
    return telling.send(now)


def status() -> list[str]:
    return list(Dispatch.objects.order_by("pk").values_list("status", flat=True))


def test_owners_are_told_before_the_open_in_their_own_time(paper: Connection, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="America/New_York")
    assert told(BEFORE - timedelta(seconds=1)) == 0
    assert told(BEFORE) == 1
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["alice@example.com"], "Main cannot trade")
    assert "Nobody is signed in at IBKR for this user. Sign in at the gateway's page" in letter.body
    assert "Its market opens at 2026-11-19 09:30 in New York (14:30 UTC)." in letter.body
    assert f"/connections/{paper.code}/" in letter.body
    assert status() == ["sent"]


def test_it_is_said_once_and_again_at_the_open_until_it_trades(paper: Connection) -> None:
    assert [told(BEFORE), told(BEFORE), told(BEFORE + timedelta(minutes=29))] == [1, 0, 0]
    assert told(OPEN) == 1
    # A clock that is put back says nothing twice.
    assert told(BEFORE + timedelta(minutes=1)) == 0
    sessions.seen(paper.pk, READY, OPEN + timedelta(minutes=5))
    assert told(OPEN + timedelta(minutes=6)) == 1
    assert mail.outbox[-1].subject == "Main can trade again"
    assert told(OPEN + timedelta(minutes=7)) == 0
    assert not Notice.objects.filter(settled_at=None).exists()


def test_what_was_missed_for_hours_is_said_once(paper: Connection) -> None:
    assert told(OPEN + timedelta(hours=3)) == 1
    assert "has been open since" in mail.outbox[0].body


@pytest.mark.parametrize("day", [datetime(2026, 11, 21, 14, 0, tzinfo=UTC), datetime(2026, 11, 26, 14, 0, tzinfo=UTC)])
def test_on_days_without_a_market_nobody_is_told(paper: Connection, day: datetime) -> None:
    """A Saturday, and Thanksgiving."""
    Connection.objects.update(signed_in_at=day)
    assert told(day) == 0


def test_before_the_open_the_connection_is_looked_at_anew(paper: Connection) -> None:
    Connection.objects.update(next_try_at=BEFORE + timedelta(minutes=14))
    telling.look(BEFORE)
    paper.refresh_from_db()
    assert paper.next_try_at == BEFORE


@pytest.mark.usefixtures("default_nights")
def test_a_session_that_nobody_looked_at_since_the_night_counts_as_none(paper: Connection) -> None:
    sessions.seen(paper.pk, READY, datetime(2026, 11, 19, 4, 0, tzinfo=UTC))
    Connection.objects.update(session_status="active", session_seen_at=datetime(2026, 11, 19, 4, 0, tzinfo=UTC))
    assert told(BEFORE) == 1


@pytest.mark.parametrize(
    "quiet",
    [
        lambda team, alice: Team.objects.filter(pk=team.pk).update(closed_at=BEFORE),
        lambda team, alice: Connection.objects.update(enabled=False),
        lambda team, alice: Connection.objects.update(environment="simulated"),
        lambda team, alice: User.objects.filter(pk=alice.pk).update(is_active=False),
        lambda team, alice: Membership.objects.filter(user=alice).update(role=Role.TRADER),
    ],
)
def test_who_has_nothing_to_do_with_it_is_left_alone(
    paper: Connection, team: Team, alice: User, quiet: Callable[[Team, User], Any]
) -> None:
    quiet(team, alice)
    assert told(BEFORE) == 0
    assert mail.outbox == []


def test_a_team_that_closes_meanwhile_gets_no_letter(paper: Connection, team: Team) -> None:
    telling.look(BEFORE)
    Team.objects.filter(pk=team.pk).update(closed_at=BEFORE)
    assert telling.send(BEFORE) == 0
    assert status() == ["failed"]


def test_an_owner_without_a_confirmed_address_is_named_on_the_dashboard(
    paper: Connection, team: Team, alice: User
) -> None:
    EmailAddress.objects.update(verified=False)
    assert told(BEFORE) == 0
    assert status() == ["no_address"]
    titles = [need.title for need in needs_of(team, BEFORE).rows]
    assert "alice@example.com got no notice: the address is not confirmed" in titles


def test_the_weekly_sign_in_is_reminded_of_and_shown_until_somebody_signs_in(paper: Connection, team: Team) -> None:
    sessions.seen(paper.pk, READY, SUNDAY - timedelta(minutes=1))
    assert told(SUNDAY) == 1
    assert mail.outbox[0].subject == "Sign in for Main before its market opens"
    assert told(SUNDAY + timedelta(hours=3)) == 0
    assert "Sign in for Main before its market opens" in [need.title for need in needs_of(team, SUNDAY).rows]
    Connection.objects.update(signed_in_at=SUNDAY + timedelta(hours=4))
    telling.look(SUNDAY + timedelta(hours=5))
    assert needs_of(team, SUNDAY + timedelta(hours=5)).rows == ()


def test_what_may_be_switched_off_is(paper: Connection, alice: User, team: Team) -> None:
    member = Membership.objects.get(user=alice, team=team)
    telling.choose(member, [NoticeKind.READY_AGAIN])
    assert telling.silenced(member) == {"weekly-sign-in"}
    sessions.seen(paper.pk, READY, SUNDAY - timedelta(minutes=1))
    assert told(SUNDAY) == 0
    telling.choose(member, [NoticeKind.READY_AGAIN, NoticeKind.WEEKLY_SIGN_IN])
    assert not SilencedNotice.objects.exists()


def test_the_page_keeps_the_choice_and_shows_what_was_sent(
    paper: Connection, team: Team, alice: User, bob: User, charlie: User, client: Client
) -> None:
    told(BEFORE)
    address = f"/teams/{team.code}/notices/"
    answers = []
    for person in (alice, bob, charlie):
        client.force_login(person)
        answers.append((client.get(address).status_code, client.post(address, {"ready-again": "on"}).status_code))
    assert answers == [(200, 302), (200, 403), (404, 404)]
    assert list(SilencedNotice.objects.values_list("kind", flat=True)) == ["weekly-sign-in"]
    client.force_login(alice)
    page = client.get(address).content.decode()
    assert "To alice@example.com: sent by e-mail." in page
    assert "(always)" in page


class Refusing:
    """A channel that takes no letter, in one of several ways."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *_: object, **__: object) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "after_one", "after_a_day"),
    [
        (ConnectionRefusedError(), "waiting", "failed"),
        (smtplib.SMTPRecipientsRefused({}), "waiting", "failed"),
        # Whether these arrived nobody knows: they are not sent again.
        (TimeoutError(), "lost", "lost"),
        (smtplib.SMTPServerDisconnected(), "lost", "lost"),
        (RuntimeError("boom"), "lost", "lost"),
    ],
)
def test_only_what_certainly_did_not_leave_is_tried_again(
    paper: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception, after_one: str, after_a_day: str
) -> None:
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", Refusing(error))
    told(BEFORE)
    assert status() == [after_one]
    for minute in range(150):
        telling.send(BEFORE + timedelta(minutes=minute))
    assert status() == [after_a_day]


def test_a_sender_that_died_on_the_way_sends_nothing_twice(paper: Connection) -> None:
    telling.look(BEFORE)
    Dispatch.objects.update(status="sending", sent_at=BEFORE)
    assert telling.send(BEFORE + timedelta(minutes=1)) == 0
    assert status() == ["sending"]
    assert telling.send(BEFORE + timedelta(minutes=10)) == 0
    assert status() == ["lost"]


def test_workers_at_once_send_one_letter(paper: Connection) -> None:
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        try:
            told(BEFORE)
            told(BEFORE)
        finally:
            database.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(mail.outbox) == 1
    assert Notice.objects.count() == Dispatch.objects.count() == 1


def test_every_channel_is_asked(paper: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class Pager:
        def address_of(self, user: User) -> str:
            return "pager of " + user.email

        def send(self, address: str, subject: str, text: str) -> None:
            sent.append(address)

    monkeypatch.setattr(telling, "CHANNELS", {NoticeChannel.EMAIL: Pager()})
    assert told(BEFORE) == 1
    assert sent == ["pager of alice@example.com"]


def test_names_of_others_stand_on_one_line_in_letters(paper: Connection) -> None:
    Connection.objects.update(name="Main\r\nBcc: mallory@example.com https://evil.example/x")
    told(BEFORE)
    (letter,) = mail.outbox
    assert "\n" not in letter.subject
    assert "https://evil.example" not in f"{letter.subject} {letter.body}"


def test_sessions_of_markets_with_holidays_and_half_days() -> None:
    shares = us_shares()
    thanksgiving = session_at(shares, datetime(2026, 11, 26, 14, 0, tzinfo=UTC))
    assert thanksgiving is not None
    assert (thanksgiving.opens, thanksgiving.closes) == (
        datetime(2026, 11, 27, 14, 30, tzinfo=UTC),
        datetime(2026, 11, 27, 18, 0, tzinfo=UTC),
    )
    futures = cme_futures()
    assert futures is not None
    sunday = session_at(futures, datetime(2026, 11, 22, 12, 0, tzinfo=UTC), every=True)
    assert sunday is not None
    assert sunday.opens == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    assert sunday.closes == datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


def test_what_a_connection_trades_says_which_market_opens(paper: Connection, team: Team) -> None:
    account = rows.account(team, paper)
    shares = Markets(BEFORE).hours_of(paper.pk, BEFORE)
    rows.position(account, asset_class=AssetClass.FUTURE, ticker="ESZ6")
    futures = Markets(BEFORE).hours_of(paper.pk, BEFORE)
    assert shares is not None
    assert futures is not None
    assert shares.opens == OPEN
    assert futures.opens < BEFORE


def test_a_flood_of_one_teams_letters_keeps_another_waiting_for_one_of_them(
    paper: Connection, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail server is so slow that the time is over after the first turn."""
    other = rows.connection(teams.found_team(owner=bob, name="Bob's team", now=BEFORE), name="Other")
    EmailAddress.objects.create(user=bob, email=bob.email, verified=True, primary=True)
    _waiting_letters(paper, alice, 5)
    _waiting_letters(other, bob, 1)
    monkeypatch.setattr(telling, "SENDING_SECONDS", 0)
    assert telling.send(BEFORE) == 2
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"], ["bob@example.com"]]
    monkeypatch.setattr(telling, "SENDING_SECONDS", 60)
    assert telling.send(BEFORE) == 4


def _waiting_letters(connection: Connection, reader: User, count: int) -> None:
    for number in range(count):
        notice = Notice.objects.create(
            connection=connection,
            kind=NoticeKind.NOT_READY,
            event=f"letter:{number}",
            why="Nobody is signed in.",
            opens_at=OPEN,
            created_at=BEFORE,
            settled_at=BEFORE,
        )
        Dispatch.objects.create(
            notice=notice, user=reader, channel=NoticeChannel.EMAIL, status="waiting", due_at=BEFORE
        )


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionRefusedError("refused")])
def test_a_mail_server_that_does_not_answer_is_waited_for_once_in_a_call(
    paper: Connection, alice: User, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    _waiting_letters(paper, alice, 4)
    begun: list[int] = []

    def hang(message: mail.EmailMessage, fail_silently: bool = False) -> int:
        begun.append(len(begun))
        raise error

    monkeypatch.setattr(mail.EmailMessage, "send", hang)
    assert (telling.send(BEFORE), len(begun)) == (0, 1)
    monkeypatch.undo()
    assert telling.send(BEFORE) == 3


def test_while_one_process_sends_no_other_one_does(paper: Connection, alice: User) -> None:
    _waiting_letters(paper, alice, 1)
    with try_only_one(Space.MAIL, 0):
        assert telling.send(BEFORE) == 0
    assert telling.send(BEFORE) == 1


def test_a_flood_of_one_teams_connections_does_not_stand_before_anothers(
    paper: Connection, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        made = rows.connection(paper.team, name=f"Main {number}")
        _like(paper, made, f"PAPER{number + 2}")
    _like(paper, rows.connection(teams.found_team(owner=bob, name="Bob's team", now=BEFORE), name="Other"), "OTHER1")
    monkeypatch.setattr(telling, "AT_ONCE", 2)
    monkeypatch.setattr(telling, "LOOKING_SECONDS", 0)
    assert telling.look(BEFORE) == 2
    told_of = Notice.objects.values_list("connection__team__name", flat=True)
    assert sorted(told_of) == sorted([paper.team.name, "Bob's team"])
    monkeypatch.setattr(telling, "LOOKING_SECONDS", 60)
    assert telling.look(BEFORE) == 5


def _like(paper: Connection, other: Connection, username: str) -> None:
    """The other connection is as the first one: nobody is signed in."""
    names = ("environment", "turned_at", "signed_in_at", "session_changed_at", "created_at")
    Connection.objects.filter(pk=other.pk).update(username=username, **{name: getattr(paper, name) for name in names})
    sessions.seen(other.pk, GONE, BEFORE - timedelta(hours=4))


def test_prompts_that_were_left_are_told_of_one_of_each_team_in_turn(
    paper: Connection, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rows.connection(teams.found_team(owner=bob, name="Bob's team", now=BEFORE), name="Other")
    accounts = [rows.account(each.team, each, account_id=f"DU{each.pk}") for each in (paper, other)]
    for number, account in enumerate(accounts[:1] * 5 + accounts[1:]):
        order = rows.order(account, status="accepted", broker_order_id=f"7{number}")
        OrderPrompt.objects.create(
            connection=account.connection,
            order=order,
            broker_order_id=order.broker_order_id,
            request_id=str(number),
            by="stream",
            verdict="left",
            seen_at=BEFORE + timedelta(seconds=number),
        )
    monkeypatch.setattr(telling, "MOST_PROMPTS", 2)
    assert telling.tell_of_prompts(BEFORE + timedelta(minutes=1)) == 2
    assert set(Notice.objects.values_list("connection__name", flat=True)) == {"Main", "Other"}
