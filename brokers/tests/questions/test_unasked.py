"""Questions that IBKR is told not to ask, at a real gateway: in each session anew, taken back at once, and never in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.connections import sessions
from brokers.domain.questions import CONFIRMED
from brokers.models import Connection, Order, Suppression
from brokers.orders import questions
from brokers.orders.unasked import suppressions, wishes
from brokers.processes import unasked
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.sessions.watched import watched

pytestmark = pytest.mark.django_db(transaction=True)
SUPPRESS = "/iserver/questions/suppress"
RESET = "/iserver/questions/suppress/reset"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    made = lab.make(team, gateway)
    with gateway.behaving(questions=True):
        yield made


def switch(bench: lab.Lab, *, suppresses: bool = True) -> None:
    suppressions.switch(connection=bench.connection, suppresses=suppresses, actor=None, now=timezone.now())


def choose(team: Team, message_id: str, choice: str) -> None:
    questions.choose(team=team, message_id=message_id, choice=choice, actor=None, now=timezone.now())


def told(bench: lab.Lab) -> list[Any]:
    """What the gateway was told, in order: the numbers not to ask, or that it asks everything again."""
    entries = bench.gateway.journal(bench.user, path=SUPPRESS)
    return [json.loads(each["body"])["messageIds"] if each["path"] == SUPPRESS else "everything" for each in entries]


def replies(bench: lab.Lab) -> int:
    return len(bench.gateway.journal(bench.user, path="/iserver/reply/"))


def sent(bench: lab.Lab) -> Order:
    order = bench.order()
    lab.work()
    order.refresh_from_db()
    return order


def row() -> Suppression:
    return Suppression.objects.latest("pk")


def wanted(bench: lab.Lab) -> Any:
    return Connection.objects.values_list("suppression_wanted_at", flat=True).get(pk=bench.connection.pk)


def fault(bench: lab.Lab, path: str, **values: Any) -> None:
    bench.gateway.fault(match={"user": bench.user, "path": path}, **values)


def test_nothing_is_suppressed_where_nobody_wants_it(bench: lab.Lab) -> None:
    assert sent(bench).status in {"accepted", "filled"}
    assert (told(bench), replies(bench), Suppression.objects.count()) == ([], 3, 0)


def test_what_is_always_a_yes_is_asked_no_more_and_each_session_is_told_anew(bench: lab.Lab) -> None:
    switch(bench)
    lab.work()
    assert [set(each) for each in told(bench)] == [CONFIRMED]
    assert set(row().message_ids) == CONFIRMED
    assert (row().confirmed, row().answer) == (True, "submitted")
    assert wanted(bench) is None
    assert sent(bench).status in {"accepted", "filled"}
    assert replies(bench) == 0
    # The session ends, and what it was told with it; the order that comes next opens another.
    bench.gateway.lose(bench.user)
    sessions.doubted(bench.connection.pk)
    assert sent(bench).status in {"accepted", "filled"}
    assert [set(each) for each in told(bench)] == [CONFIRMED, CONFIRMED]
    assert replies(bench) == 0


def test_it_is_told_again_after_a_stolen_session(bench: lab.Lab) -> None:
    switch(bench)
    lab.work()

    async def story() -> None:
        async with lab.working():
            await asyncio.to_thread(bench.gateway.tws, bench.user)
            await lab.until(lambda: Suppression.objects.filter(confirmed=True).count() == 2, "it is told again")

    watched(bench.connection, story)
    assert [set(each) for each in told(bench)] == [CONFIRMED, CONFIRMED]
    assert sent(bench).status in {"accepted", "filled"}
    assert replies(bench) == 0


def test_a_yes_that_becomes_a_no_is_asked_again_at_once(bench: lab.Lab, team: Team) -> None:
    switch(bench)
    lab.work()
    choose(team, "o10151", "no")
    lab.work()
    assert told(bench)[1] == "everything"
    assert set(told(bench)[2]) == CONFIRMED - {"o10151"} == set(row().message_ids)
    assert sent(bench).status == "rejected"
    assert replies(bench) == 1
    # And a yes needs no asking again.
    choose(team, "o10151", "default")
    choose(team, "o383", "yes")
    lab.work()
    assert set(told(bench)[3]) == CONFIRMED | {"o383"}
    assert len(told(bench)) == 4


def test_switched_off_everything_is_asked_again(bench: lab.Lab) -> None:
    switch(bench)
    lab.work()
    switch(bench, suppresses=False)
    lab.work()
    assert told(bench)[1:] == ["everything"]
    assert (row().message_ids, row().confirmed) == ([], True)
    assert sent(bench).status in {"accepted", "filled"}
    assert replies(bench) == 3
    actions = AuditEntry.objects.filter(action__startswith="connection.").values_list("action", flat=True)
    assert {"connection.suppresses", "connection.asks"} <= set(actions)


@pytest.mark.parametrize(
    "action",
    [
        {"status": 403, "body": {"error": "Forbidden"}},
        {"status": 500, "body": ""},
        {"status": 200, "body": {"error": "no"}},
        {"drop_connection": True},
        {"hang": True, "hang_s": 3},
    ],
)
def test_an_order_leaves_and_is_asked_about_where_ibkr_suppresses_nothing(
    bench: lab.Lab, action: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unasked, "WITHIN_SECONDS", 1.0)
    fault(bench, SUPPRESS, action=action)
    switch(bench)
    assert sent(bench).status in {"accepted", "filled"}
    assert replies(bench) == 3
    assert (row().confirmed, wanted(bench)) == (False, None)
    assert row().answer
    assert len(told(bench)) == 1


def test_more_than_ibkr_takes_is_no_harm(bench: lab.Lab) -> None:
    fault(bench, SUPPRESS, preset="suppress_too_many")
    switch(bench)
    assert sent(bench).status in {"accepted", "filled"}
    assert (replies(bench), row().confirmed) == (3, False)


def test_asking_again_is_tried_until_ibkr_has_taken_it(bench: lab.Lab, team: Team) -> None:
    switch(bench)
    lab.work()
    fault(bench, RESET, action={"status": 500, "body": ""}, times=1)
    choose(team, "o10151", "no")
    lab.work()
    # Nobody knows whether it asks, and that is what is said.
    assert (row().confirmed, "o10151" in row().message_ids) == (False, True)
    later = wanted(bench)
    assert later is not None
    assert later > timezone.now() + timedelta(seconds=30)
    Connection.objects.update(suppression_wanted_at=timezone.now())
    lab.work()
    assert row().confirmed
    assert set(row().message_ids) == CONFIRMED - {"o10151"}
    assert wanted(bench) is None


def test_a_wish_that_comes_while_ibkr_is_told_stays(bench: lab.Lab) -> None:
    switch(bench)
    wish = suppressions.begin(bench.connection.pk, timezone.now())
    assert wish is not None
    again = timezone.now() + timedelta(milliseconds=1)
    wishes.wish(Connection.objects.filter(pk=bench.connection.pk), again)
    suppressions.told(wish, "submitted")
    assert wanted(bench) == again
    suppressions.failed(wish, "no", timezone.now())
    assert wanted(bench) == again


def test_nobody_signs_in_to_tell_it(bench: lab.Lab) -> None:
    Connection.objects.update(session_status="signed_out", last_kept_at=None)
    switch(bench)
    lab.work()
    assert (told(bench), wanted(bench) is not None) == ([], True)


def test_the_pages_say_what_is_not_asked(bench: lab.Lab, client: Client, team: Team, alice: User) -> None:
    client.force_login(alice)
    page = f"/teams/{team.code}/connections/{bench.connection.code}/"
    assert "IBKR asks everything." in client.get(page).text
    answer = client.post(f"{page}unasked/", {"suppresses_questions": "yes"}, follow=True).text
    assert "IBKR is told as soon as the session is open." in answer
    assert "Let IBKR ask everything" in answer
    order = sent(bench)
    said = client.get(page).text
    assert "IBKR does not ask now" in said
    assert "o10151" in said
    assert "IBKR did not ask" in client.get(f"/teams/{team.code}/orders/{order.code}/").text
    client.post(f"{page}unasked/", {"suppresses_questions": "no"})
    lab.work()
    assert "IBKR asks everything." in client.get(page).text


def test_a_number_under_which_ibkr_asks_to_cancel_all_orders_is_asked_again(bench: lab.Lab, team: Team) -> None:
    choose(team, "p6", "yes")
    switch(bench)
    lab.work()
    assert "p6" in told(bench)[0]
    asked = {"text": "Would you like to cancel all open orders?", "options": ["Yes", "No"], "messageId": "p6"}
    fault(bench, "/iserver/account/*/orders", action={"server_prompt": asked}, times=1)
    sent(bench)
    lab.work()
    assert told(bench)[1] == "everything"
    assert set(told(bench)[2]) == CONFIRMED
    # Nor does a yes of the team's bring it back.
    choose(team, "p6", "yes")
    lab.work()
    assert set(told(bench)[-1]) == CONFIRMED


def test_a_session_in_doubt_is_told_nothing(bench: lab.Lab) -> None:
    switch(bench)
    sessions.loss_heard(bench.connection.pk, timezone.now())
    assert suppressions.begin(bench.connection.pk, timezone.now()) is None
    assert (Suppression.objects.count(), wanted(bench) is not None) == (0, True)
    # The lane looks first, and then tells it.
    lab.work()
    assert [set(each) for each in told(bench)] == [CONFIRMED]
