"""An advisor's groups on the page of their connection: read by its lane, made, changed and removed, each sent once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.advisors import changes, reading
from brokers.domain.advisors.groups import Group, Member, Method, Shown
from brokers.models import AccountGroup, Advisor, Connection, GroupChange, Order
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)
GROUP = "/iserver/account/allocation/group"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    """An advisor with two clients, and no group yet."""
    return lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 2)


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def address(bench: lab.Lab, path: str = "") -> str:
    return f"/teams/{bench.connection.team.code}/connections/{bench.connection.code}/groups/{path}"


def send(client: Client, bench: lab.Lab, path: str, **sent: Any) -> str:
    """Send a form of the page, let the lane work, and look at the page."""
    answer = client.post(address(bench, path), sent)
    assert answer.status_code == 302, answer.text
    lab.work()
    return client.get(address(bench)).text


def clients_of(bench: lab.Lab) -> list[str]:
    numbers = bench.connection.accounts.exclude(pk=bench.account.pk).order_by("account_id")
    return list(numbers.values_list("account_id", flat=True))


def at_ibkr(bench: lab.Lab) -> Any:
    return bench.gateway.call(bench.user, "GET", GROUP)[1]["data"]


def test_a_group_is_made_changed_and_removed_on_the_page(bench: lab.Lab, signed_in: Client) -> None:
    page = send(signed_in, bench, "read/")
    assert "There is no group yet." in page
    one, two = clients_of(bench)
    page = send(signed_in, bench, "new/", name="Family", method="EqualQuantity", member=[one, two])
    assert at_ibkr(bench) == [{"allocation_method": "E", "size": 2, "name": "Family"}]
    row = AccountGroup.objects.get()
    assert (row.name, row.account, [part.account_id for part in row.parts]) == ("Family", bench.account, [one, two])
    assert "Equal quantity" in page
    ratios = {"member": [one, two], f"amount-{one}": "3", f"amount-{two}": "1", "method": "Ratios"}
    send(signed_in, bench, f"{row.code}/", **ratios)
    row.refresh_from_db()
    assert row.method == "Ratios"
    assert [part.amount for part in row.parts] == [3, 1]
    send(signed_in, bench, f"{row.code}/remove/")
    assert at_ibkr(bench) == []
    row.refresh_from_db()
    assert row.gone_at is not None
    assert [change.status for change in GroupChange.objects.order_by("pk")] == ["done"] * 3
    said = list(AuditEntry.objects.filter(action__startswith="group.").values_list("action", flat=True).order_by("pk"))
    assert said == [
        "group.asked_to_make",
        "group.made",
        "group.asked_to_change",
        "group.changed",
        "group.asked_to_remove",
        "group.removed",
    ]


def test_a_wish_whose_answer_is_lost_is_sent_once_and_judged_by_what_ibkr_shows(
    bench: lab.Lab, signed_in: Client
) -> None:
    one, two = clients_of(bench)
    bench.gateway.fault(
        action={"drop_connection": True}, match={"method": "POST", "path": GROUP, "user": bench.user}, phase="after"
    )
    send(signed_in, bench, "new/", name="Arrived", method="NetLiq", member=[one, two])
    bench.gateway.fault(action={"drop_connection": True}, match={"method": "POST", "path": GROUP, "user": bench.user})
    page = send(signed_in, bench, "new/", name="Lost", method="NetLiq", member=[one, two])
    assert [(each.name, each.status) for each in GroupChange.objects.order_by("pk")] == [
        ("Arrived", "done"),
        ("Lost", "refused"),
    ]
    assert "IBKR&#x27;s answer was lost" in page
    assert "group-not-shown" in page
    sent = [each for each in bench.gateway.journal(bench.user, method="POST") if each["path"].endswith(GROUP)]
    assert len(sent) == 2, "each wish left once"


def test_what_ibkr_refuses_is_said_in_its_words(bench: lab.Lab, signed_in: Client) -> None:
    bench.gateway.fault(
        action={"status": 400, "body": {"error": "Groups are frozen."}},
        match={"method": "POST", "path": GROUP, "user": bench.user},
    )
    page = send(signed_in, bench, "new/", name="Family", method="NetLiq", member=clients_of(bench))
    assert "Groups are frozen." in page
    assert GroupChange.objects.get().reason_code == "group-refused"


def test_a_group_that_cannot_be_is_refused_before_anything_is_sent(bench: lab.Lab, signed_in: Client) -> None:
    one, two = clients_of(bench)
    percents = {"member": [one, two], f"amount-{one}": "60", f"amount-{two}": "30"}
    answer = signed_in.post(address(bench, "new/"), {"name": "Family", "method": "Percentage", **percents})
    assert answer.status_code == 422
    assert "sum to 90, not to 100" in answer.text
    answer = signed_in.post(address(bench, "new/"), {"name": "Family", "method": "NetLiq"})
    assert "A group needs at least one account." in answer.text
    assert not GroupChange.objects.exists()


def test_a_login_without_clients_says_what_groups_are_for(team: Team, signed_in: Client) -> None:
    account = rows.account(team)
    page = signed_in.get(f"/teams/{team.code}/connections/{account.connection.code}/groups/")
    assert "Groups are for advisors" in page.text


def test_groups_are_read_when_an_advisor_signs_in(bench: lab.Lab) -> None:
    made = {"name": "Theirs", "accounts": [{"name": each} for each in clients_of(bench)], "default_method": "A"}
    bench.gateway.call(bench.user, "POST", GROUP, made)
    Connection.objects.filter(pk=bench.connection.pk).update(last_kept_at=None, session_status="connecting")
    reading.want(bench.connection, timezone.now())
    lab.work()
    assert AccountGroup.objects.get().method == "AvailableEquity"
    assert Advisor.objects.get().wanted_at is None


def test_a_group_is_believed_for_a_while(team: Team) -> None:
    account, now = rows.account(team), timezone.now()
    assert not reading.is_fresh(account.connection, now)
    assert Advisor.objects.get().wanted_at == now
    Advisor.objects.update(read_at=now, wanted_at=None)
    assert reading.is_fresh(account.connection, now + reading.BELIEVED_FOR / 2)
    assert not reading.is_fresh(account.connection, now + reading.BELIEVED_FOR)


def test_who_left_a_group_is_kept_and_what_is_not_understood_has_not_gone(team: Team) -> None:
    own, now = rows.account(team, kind="advisor"), timezone.now()

    def shown(*numbers: str, unread: frozenset[str] = frozenset()) -> AccountGroup:
        members = tuple(Member(number) for number in numbers)
        groups = (Group(name="Family", method=Method.NET_LIQUIDATION, members=members),) if numbers else ()
        reading.save(own.connection_id, Shown(groups, unread), now, now)
        return AccountGroup.objects.get()

    shown("U1", "U2")
    assert shown("U1").former == ["U2"]
    assert shown("U1", "U2").former == []
    unread = shown(unread=frozenset({"Family"}))
    assert (unread.incomplete, unread.gone_at) == (True, None)
    assert shown().gone_at is not None


def test_two_wishes_about_one_group_do_not_cross(bench: lab.Lab, signed_in: Client) -> None:
    sent = {"name": "Family", "method": "NetLiq", "member": clients_of(bench)}
    assert signed_in.post(address(bench, "new/"), sent).status_code == 302
    again = signed_in.post(address(bench, "new/"), sent)
    assert "is on its way to IBKR" in again.text
    assert GroupChange.objects.count() == 1
    assert changes.waiting(bench.connection.pk)


def test_an_order_leaves_while_the_groups_are_slow_to_come(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"hang": True}, match={"method": "GET", "path": GROUP, "user": bench.user}, times=None)
    client = bench.connection.accounts.exclude(pk=bench.account.pk).earliest("pk")

    def asked_for_groups() -> bool:
        return any(each["path"].endswith(GROUP) for each in bench.gateway.journal(bench.user, method="GET"))

    async def story() -> None:
        async with lab.working():
            await asyncio.to_thread(lab.asked, lambda: reading.want(bench.connection, timezone.now()))
            await lab.until(asked_for_groups, "IBKR is asked for its groups")
            order = await asyncio.to_thread(lab.asked, lambda: rows.order(client, quantity=Decimal(1)))
            await asyncio.to_thread(lab.asked, lambda: notify(ORDERS_CHANNEL, str(bench.connection.pk)))
            await lab.until(
                lambda: Order.objects.exclude(broker_order_id="").filter(pk=order.pk).exists(), "it has left"
            )
            look = await asyncio.to_thread(lab.asked, Advisor.objects.get)
            assert (look.wanted_at is not None, look.reason) == (True, ""), "the groups are still being read"

    asyncio.run(story())
