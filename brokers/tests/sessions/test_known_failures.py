"""Each known failure of a session, a sign-in, an account or the pace gets the reaction that its row names, from the product as it runs."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Team
from brokers.domain.help.pages import PAGES, page_of
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab, neighbours
from brokers.tests.sessions.watched import events, stays_shown, until_shown, watched

pytestmark = pytest.mark.django_db(transaction=True)

_HERE = Path(__file__).resolve().parent
# What any call can meet and tells of a login, an account or the pace.
OF_EVERY_CALL = {
    "not_authenticated_401",
    "access_token_expired",
    "no_bridge_400",
    "no_bridge_401",
    "permanent_block",
    "http_429",
    "penalty_box",
    "accounts_first_400",
    "accounts_first_500",
    "account_not_valid",
}
FAILURES = {
    row["id"]: row
    for row in map(json.loads, (_HERE.parents[1] / "ibkr/tests/data/failures.jsonl").read_text().splitlines())
    if row["scope"] in {"session", "accounts", "onboarding"} or row["id"] in OF_EVERY_CALL
}
REACTIONS = {row["id"]: row for row in csv.DictReader((_HERE / "reactions.csv").open())}
# What only a login by keys meets is tried where keys sign in.
BY_KEYS = {name for name, row in REACTIONS.items() if row["reaction"] == "keys"}


def of(*reactions: str) -> list[str]:
    return [name for name, row in REACTIONS.items() if row["reaction"] in reactions]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def test_every_failure_of_a_session_has_a_reaction() -> None:
    assert FAILURES.keys() == REACTIONS.keys()


def arm(bench: lab.Lab, name: str) -> None:
    bench.gateway.fault(preset=FAILURES[name]["sim_fault"], match={"user": bench.user})


@pytest.mark.parametrize("name", of("opens"))
def test_it_says_what_it_is_and_opens_the_session_again(bench: lab.Lab, name: str) -> None:
    row = REACTIONS[name]

    async def story() -> None:
        arm(bench, name)
        await asyncio.to_thread(bench.gateway.lose, bench.user)
        await lab.until(lambda: _seen(bench.connection, row), f"{row['status']} is seen")
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert [event for event in events(bench.connection) if event[0] in {"unreachable", "refused"}] == []


def _seen(connection: Connection, row: dict[str, str]) -> bool:
    return any(status == row["status"] and row["code"] in {"", code} for status, code in events(connection)[1:])


@pytest.mark.parametrize("name", of("stays"))
def test_it_is_normal_and_changes_nothing(bench: lab.Lab, name: str, settings: Any) -> None:
    settings.KEEP_SECONDS = 1

    async def story() -> None:
        arm(bench, name)
        await stays_shown(bench.connection, "active", REACTIONS[name]["code"], seconds=3)

    watched(bench.connection, story)


@pytest.mark.parametrize("name", of("state"))
def test_it_stays_said_until_it_is_over(bench: lab.Lab, name: str) -> None:
    """What IBKR answers to keys and to a gateway alike, shown by the answer to a look."""
    failure, row = FAILURES[name], REACTIONS[name]

    async def story() -> None:
        answer = {"status": failure["http_status"], "body": failure["body"]}
        bench.gateway.fault(match={"user": bench.user}, action=answer, times=None, ttl_s=600)
        await asyncio.to_thread(bench.gateway.lose, bench.user)
        await until_shown(bench.connection, row["status"], row["code"])
        await stays_shown(bench.connection, row["status"], row["code"])

    watched(bench.connection, story)
    shown = Connection.objects.get(pk=bench.connection.pk)
    # What a refused login takes stands in its reason.
    assert shown.session_action or "Ask IBKR's API support" in shown.session_reason
    assert shown.next_try_at is not None


@pytest.mark.parametrize("name", of("of_account"))
def test_it_is_an_accounts_own_and_the_session_goes_on(team: Team, gateway: RunningGateway, name: str) -> None:
    """Of two accounts, since IBKR shows some facts of the selected one only."""
    bench = lab.make(team, gateway, sub_accounts=[{"cash": 25_000}])
    failure = FAILURES[name]

    async def story() -> None:
        match = {"user": bench.user, "path": f"*{REACTIONS[name]['status']}"}
        answer = {"status": failure["http_status"], "body": failure["body"]}
        bench.gateway.fault(match=match, action=answer, times=2, ttl_s=20)
        bench.gateway.close_sockets(bench.user)
        await stays_shown(bench.connection, "active", seconds=2)
        await lab.until(lambda: all(fault["hits"] for fault in bench.gateway.faults()), "it was met")

    watched(bench.connection, story)
    assert {status for status, _ in events(bench.connection)} == {"active"}


@pytest.mark.parametrize("name", of("slows"))
def test_it_slows_down_and_says_until_when(team: Team, name: str, settings: Any) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)
        row, failure = REACTIONS[name], FAILURES[name]

        async def story() -> None:
            answer = {"status": failure["http_status"], "body": failure["body"]}
            gateway.fault(match={"user": bench.user}, action=answer, times=None, ttl_s=60)
            await asyncio.to_thread(gateway.lose, bench.user)
            await until_shown(bench.connection, row["status"], row["code"])
            before = len(gateway.journal(bench.user))
            await stays_shown(bench.connection, row["status"], row["code"])
            # Cancels and the tickle that keeps the session have a way through.
            assert len(gateway.journal(bench.user)) - before <= 2

        watched(bench.connection, story)
        shown = Connection.objects.get(pk=bench.connection.pk)
        assert shown.next_try_at is not None
        assert shown.session_reason


@pytest.mark.parametrize("name", of("told"))
def test_what_ibkrs_own_pages_say_has_a_page_of_help(name: str) -> None:
    row = REACTIONS[name]
    assert page_of(row["code"]) == row["status"]
    assert row["status"] in PAGES


def test_a_new_paper_user_is_asked_to_wait(team: Team, gateway: RunningGateway) -> None:
    connection = neighbours.paper(team, gateway, "NEWPAPER1")
    gateway.fault(preset="paper_new_account_init_500", match={"user": "NEWPAPER1"}, times=None, ttl_s=600)

    async def story() -> None:
        async with lab.watching():
            await until_shown(connection, "not_opened", "paper-user-not-ready")
            await stays_shown(connection, "not_opened", "paper-user-not-ready", seconds=3)

    asyncio.run(story())
    assert len(gateway.journal("NEWPAPER1", path="/ssodh/init")) == 1
    assert "two weeks" in Connection.objects.get().session_reason


@pytest.mark.parametrize("name", of("never"))
def test_it_never_asks_for_what_would_go_wrong(bench: lab.Lab, name: str) -> None:
    watched(bench.connection, lambda: stays_shown(bench.connection, "active"))
    assert bench.gateway.journal(bench.user, path=REACTIONS[name]["status"]) == []


def test_it_publishes_whatever_it_opens(bench: lab.Lab) -> None:
    async def story() -> None:
        await asyncio.to_thread(bench.gateway.lose, bench.user)
        await lab.until(lambda: len(_inits(bench)) > 1, "it is opened again")
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert all(json.loads(entry["body"])["publish"] is True for entry in _inits(bench))


def _inits(bench: lab.Lab) -> list[dict[str, Any]]:
    return bench.gateway.journal(bench.user, method="POST", path="/ssodh/init")


def test_a_login_without_a_session_is_cured_by_the_form(bench: lab.Lab) -> None:
    async def story() -> None:
        bench.gateway.fault(preset="login_without_session", match={"user": bench.user}, action=_for(60))
        await asyncio.to_thread(bench.gateway.lose, bench.user)
        await lab.until(lambda: len(_inits(bench)) >= 3, "JSON and the form were tried")
        await until_shown(bench.connection, "active")

    watched(bench.connection, story)
    assert _inits(bench)[-1]["body"].startswith("publish=true&compete=")
    assert "machineId=" in _inits(bench)[-1]["body"]


def _for(seconds: int) -> dict[str, Any]:
    return {"session_wants_form": {"s": seconds}}


def test_a_login_that_never_opens_asks_for_a_person(bench: lab.Lab) -> None:
    async def story() -> None:
        bench.gateway.fault(preset="identity_check_wanted", match={"user": bench.user})
        await asyncio.to_thread(bench.gateway.lose, bench.user)
        await until_shown(bench.connection, "not_opened", "session-does-not-open")
        await asyncio.to_thread(bench.gateway.clear_faults)
        await until_shown(bench.connection, "active", within=60)

    watched(bench.connection, story)
    assert sum(entry["body"].startswith("publish=") for entry in _inits(bench)) == 1


def test_servers_that_do_not_say_when_it_is_established_are_waited_for(team: Team, gateway: RunningGateway) -> None:
    with gateway.behaving(says_established=False):
        bench = lab.make(team, gateway)
        watched(bench.connection, lambda: stays_shown(bench.connection, "active"))
