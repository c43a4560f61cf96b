"""Notices in chats and programs, each at a server of its service's own API: taken, refused, late, silent and gone."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Membership, Team, User
from accounts.vault.fields import Sealed
from brokers.domain.chats.destinations import Service as Kind
from brokers.domain.notices import NoticeKind
from brokers.models import Connection, Delivery, Destination, Notice
from brokers.notices import telling
from brokers.notices.chats import delivering, places
from brokers.notices.chats.places import DestinationRefused
from brokers.tests import rows
from brokers.tests.chats.servers import Service, serving

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "123456:ABC-DEF_1234567890abcdefghij"


@pytest.fixture
def near(settings: Any) -> Any:
    """An operator who trusts the private network, and lets people name any port of it."""
    settings.TRUST_PRIVATE_GATEWAYS = True
    settings.GATEWAY_PORTS = ["1-65535"]
    return settings


@pytest.fixture
def server(near: Any) -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def connection(team: Team) -> Connection:
    return rows.connection(team, name="Paper")


def place(team: Team, service: Kind, **values: str) -> tuple[Destination, str]:
    membership = Membership.objects.get(team=team, role="owner")
    return places.make(
        membership=membership,
        service=service,
        name=f"{service} {time.monotonic_ns()}",
        values=values,
        now=timezone.now(),
    )


def told(connection: Connection, now: datetime, many: int = 1) -> None:
    for number in range(many):
        telling.tell_once(connection, NoticeKind.NOT_CANCELED, f"{now:%H%M%S%f}-{number}", "It works <on>.", now)


def became() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("status", "error"))


# What each service is sent ---------------------------------------------------------------------------------------------


def test_slack_reads_what_it_takes(server: Service, team: Team, connection: Connection) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/services/T0/B0/secret")
    told(connection, now := timezone.now())
    assert (delivering.send(now), delivering.send(now)) == (1, 0)
    assert server.came[0][0] == "/services/T0/B0/secret"
    (body,) = server.bodies
    assert set(body) == {"text"}
    # A name of somebody else's calls nobody and hides no address.
    assert "It works &lt;on&gt;." in body["text"]
    assert f"<http://localhost:8000/teams/{team.code}/connections/{connection.code}/>" in body["text"]
    assert became() == [("sent", "")]
    row = Destination.objects.get()
    assert (row.trouble, row.is_broken, row.last_sent_at) == ("", False, now)


def test_discord_calls_nobody(near: Any, team: Team, connection: Connection) -> None:
    with serving((204, {}, "")) as server:
        place(team, Kind.DISCORD, url=f"{server.url}/api/webhooks/1/secret")
        told(connection, now := timezone.now())
        assert delivering.send(now) == 1
    (body,) = server.bodies
    assert body["allowed_mentions"] == {"parse": []}
    assert len(body["content"]) <= 2000


def test_telegram_goes_by_the_bots_token_to_the_chat(near: Any, team: Team, connection: Connection) -> None:
    with serving((200, {}, '{"ok": true}')) as server:
        place(team, Kind.TELEGRAM, token=TOKEN, chat="-100123", server=server.url)
        told(connection, now := timezone.now())
        assert delivering.send(now) == 1
        assert server.came[0][0] == f"/bot{TOKEN}/sendMessage"
        assert server.bodies[0]["chat_id"] == "-100123"
        # As its API says that it is to be called less often.
        slow = '{"ok": false, "error_code": 429, "parameters": {"retry_after": 120}}'
        server.answers.append((429, {}, slow))
        told(connection, now := now + timedelta(seconds=1))
        assert delivering.send(now) == 0
        assert Delivery.objects.get(status="waiting").due_at == now + timedelta(seconds=120)
        gone = '{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}'
        server.answers.append((400, {}, gone))
        assert delivering.send(now + timedelta(seconds=121)) == 0
    row = Destination.objects.get()
    assert row.is_broken
    assert row.trouble.startswith("It answers 400: the bot's token or the chat is not right")
    assert TOKEN not in row.trouble


def test_ntfy_rings_louder_for_what_is_urgent(server: Service, team: Team, connection: Connection) -> None:
    place(team, Kind.NTFY, topic="mine", token="tk_secret", server=server.url)
    told(connection, now := timezone.now())
    telling.tell_once(connection, NoticeKind.READY_AGAIN, "again", "It trades.", now)
    assert delivering.send(now) == 2
    assert [(body["topic"], body["priority"]) for body in server.bodies] == [("mine", 5), ("mine", 3)]
    assert server.came[0][1]["Authorization"] == "Bearer tk_secret"


def test_a_program_can_prove_who_wrote(server: Service, team: Team, connection: Connection) -> None:
    _, secret = place(team, Kind.WEBHOOK, url=f"{server.url}/halyard?key=1")
    told(connection, now := timezone.now())
    assert delivering.send(now) == 1
    ((path, headers, body),) = server.came
    assert path == "/halyard?key=1"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-id"] == f"notice-{Notice.objects.get().pk}"
    assert server.bodies[0]["type"] == "notice.not-canceled"


# What goes wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "broken"),
    [
        ((500, {}, "no"), "waiting", False),
        ((429, {"Retry-After": "90"}, ""), "waiting", False),
        ((404, {}, "no_service"), "failed", True),
        ((410, {}, ""), "failed", True),
        ((401, {}, ""), "failed", True),
        # Never followed: it may lead anywhere.
        ((302, {"Location": "http://169.254.169.254/"}, ""), "failed", True),
        ((418, {}, ""), "failed", True),
        # Read, and no answer: it may have been taken.
        ((-1, {}, ""), "lost", False),
    ],
)
def test_what_a_service_answers_is_what_becomes_of_it(
    server: Service, team: Team, connection: Connection, answer: Any, status: str, broken: bool
) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/x")
    server.answers.append(answer)
    told(connection, now := timezone.now())
    assert delivering.send(now) == 0
    row = Destination.objects.get()
    assert [state for state, _ in became()] == [status]
    assert (row.is_broken, bool(row.trouble)) == (broken, True)
    later = now + timedelta(minutes=2)
    assert delivering.send(later) == (1 if status == "waiting" else 0)
    assert len(server.came) == (2 if status == "waiting" else 1)
    # What is broken is written nothing more until a test is taken.
    told(connection, later)
    assert Delivery.objects.count() == (1 if broken else 2)
    if broken:
        assert places.test(row, later) == "It was taken."
        row.refresh_from_db()
        assert (row.is_broken, row.trouble) == (False, "")


def test_a_service_that_fails_for_a_day_is_not_asked_for_ever(
    server: Service, team: Team, connection: Connection
) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/x")
    server.usual = (500, {}, "")
    told(connection, now := timezone.now())
    for minutes in range(0, 60 * 24, 5):
        delivering.send(now + timedelta(minutes=minutes))
    assert became() == [("failed", "It came too late to be of use.")]
    assert len(server.came) <= 10


def test_one_that_hangs_keeps_no_other(
    server: Service, team: Team, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "SECONDS", 0.5)
    place(team, Kind.SLACK, url=f"{server.url}/first")
    with serving() as other:
        place(team, Kind.SLACK, url=f"{other.url}/second")
        server.answers.append((0, {}, ""))
        told(connection, now := timezone.now())
        assert delivering.send(now) == 1
        assert len(other.came) == 1
    assert sorted(became()) == [("lost", "It did not answer in time; it may have arrived."), ("sent", "")]


def test_a_thousand_in_a_minute_are_one(server: Service, team: Team, connection: Connection) -> None:
    place(team, Kind.NTFY, topic="mine", server=server.url)
    told(connection, now := timezone.now(), many=400)
    assert delivering.send(now) == 400
    (body,) = server.bodies
    assert body["title"] == "400 notices"
    assert {status for status, _ in became()} == {"sent"}


def test_nobody_there_is_asked_again(server: Service, team: Team, connection: Connection) -> None:
    with serving() as gone:
        place(team, Kind.SLACK, url=f"{gone.url}/x")
    told(connection, now := timezone.now())
    assert delivering.send(now) == 0
    assert became() == [("waiting", "It cannot be reached. See that it runs, and test it again.")]


def test_a_sender_that_died_is_not_repeated(server: Service, team: Team, connection: Connection) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/x")
    told(connection, now := timezone.now())
    Delivery.objects.update(status="sending", sent_at=now)
    assert delivering.send(now + timedelta(minutes=11)) == 0
    assert [status for status, _ in became()] == ["lost"]
    assert server.came == []


def test_one_whose_secrets_cannot_be_read_keeps_no_other(server: Service, team: Team, connection: Connection) -> None:
    lost, _ = place(team, Kind.SLACK, url=f"{server.url}/lost")
    place(team, Kind.SLACK, url=f"{server.url}/kept")
    Destination.objects.filter(pk=lost.pk).update(settings=Sealed(b"no key of ours"))
    told(connection, now := timezone.now())
    assert delivering.send(now) == 1
    assert [path for path, _, _ in server.came] == ["/kept"]
    lost.refresh_from_db()
    assert (lost.is_broken, lost.trouble) == (
        True, "What Halyard knew of it cannot be read any more. Remove it and add it again.",
    )  # fmt: skip
    assert places.test(lost, now) == lost.trouble


def test_who_owns_the_team_no_more_is_told_nothing(server: Service, team: Team, connection: Connection) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/x")
    told(connection, now := timezone.now())
    Membership.objects.filter(team=team).update(role="viewer")
    assert delivering.send(now) == 0
    assert (server.came, became()) == ([], [("failed", "Its member is no owner of the team any more.")])


# Where they may not go, and who sees them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "values", "code"),
    [
        (Kind.SLACK, {"url": "https://169.254.169.254/latest"}, "private-address"),
        (Kind.SLACK, {"url": "https://10.0.0.8/x"}, "private-address"),
        (Kind.SLACK, {"url": "https://user:pw@hooks.example/x"}, "invalid-address"),
        (Kind.SLACK, {"url": "file:///etc/passwd"}, "invalid-address"),
        (Kind.SLACK, {"url": "https://1.1.1.1:22/x"}, "port-not-allowed"),
        (Kind.SLACK, {"url": ""}, "invalid-url"),
        (Kind.TELEGRAM, {"token": "no", "chat": "1"}, "invalid-token"),
        (Kind.TELEGRAM, {"token": f"{TOKEN}/../x", "chat": "1"}, "invalid-token"),
        (Kind.TELEGRAM, {"token": TOKEN, "chat": "me"}, "invalid-chat"),
        (Kind.NTFY, {"topic": "a/b"}, "invalid-topic"),
    ],
)
def test_what_cannot_be_right_is_refused_with_a_sentence(
    settings: Any, team: Team, service: Kind, values: dict[str, str], code: str
) -> None:
    settings.TRUST_PRIVATE_GATEWAYS = False
    with pytest.raises(DestinationRefused) as refused:
        place(team, service, **values)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")


def test_an_address_that_leads_inside_by_now_is_not_gone_to(
    server: Service, near: Any, team: Team, connection: Connection
) -> None:
    place(team, Kind.SLACK, url=f"{server.url}/x")
    near.TRUST_PRIVATE_GATEWAYS = False
    told(connection, now := timezone.now())
    assert delivering.send(now) == 0
    assert server.came == []
    assert [status for status, _ in became()] == ["failed"]


def test_kinds_that_somebody_does_not_want_and_what_is_paused_do_not_go_there(
    server: Service, team: Team, connection: Connection
) -> None:
    made, _ = place(team, Kind.SLACK, url=f"{server.url}/x")
    places.choose(made, ["missing-stop"])
    told(connection, now := timezone.now())
    assert not Delivery.objects.exists()
    places.choose(made, ["not-canceled"])
    told(connection, now + timedelta(seconds=1))
    places.pause(made, now, paused=True)
    told(connection, now + timedelta(seconds=2))
    assert became() == [("failed", "Paused.")]
    assert list(
        AuditEntry.objects.filter(action__startswith="destination").values_list("action", flat=True).order_by("pk")
    ) == [
        "destination.made",
        "destination.paused",
    ]
    assert "secret" not in str(list(AuditEntry.objects.values_list("after", flat=True)))


def test_its_page_shows_no_secret_and_nobody_elses(
    server: Service, team: Team, alice: User, client: Client, connection: Connection
) -> None:
    made, _ = place(team, Kind.NTFY, topic="topicsecret", token="tokensecret", server=server.url)
    told(connection, now := timezone.now())
    delivering.send(now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/notices/{made.code}/").content.decode()
    assert "127.0.0.1" in page
    assert "secret" not in page
    assert "Sent" in page
    assert made.name in client.get(f"/teams/{team.code}/notices/").content.decode()
    assert client.post(f"/teams/{team.code}/notices/{made.code}/test/").status_code == 302
    assert len(server.came) == 2
    client.get(f"/teams/{team.code}/notices/")
    other = User.objects.create_user(email="other@example.com", password="x")
    Membership.objects.create(team=team, user=other, role="owner", joined_at=now)
    client.force_login(other)
    assert client.get(f"/teams/{team.code}/notices/{made.code}/").status_code == 404
    assert made.name not in client.get(f"/teams/{team.code}/notices/").content.decode()
    assert isinstance(made.settings, Sealed)
