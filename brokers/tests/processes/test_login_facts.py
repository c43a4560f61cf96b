"""What a login may do is found when it connects, through a real gateway on loopback, and shown on its pages."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.connections import connections
from brokers.models import BrokerageAccount, Connection, Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)


def connected(team: Team, gateway: RunningGateway, username: str, environment: str, **books: Any) -> Connection:
    """A connection of this kind to a user of the loopback gateway."""
    made = rows.connection(team, username=username)
    gateway.seed(username, **books)
    base_url = "" if environment == "simulated" else f"{gateway.url}/u/{username}/v1/api"
    Connection.objects.filter(pk=made.pk).update(environment=environment, base_url=base_url)
    connections.wake()
    return made


def watch(until: Any, what: str) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(until, what)

    asyncio.run(story())


def refused(of: Connection) -> str:
    """The code of a refused session."""
    return str(Connection.objects.filter(pk=of.pk, session_status="refused").values_list("session_code", flat=True)[0])


@pytest.mark.parametrize(
    ("username", "environment", "code"),
    [
        ("live7001", "paper", "user-is-live"),
        ("LIVE7002", "paper", "user-is-live"),
        ("paper7003", "live", "user-is-paper"),
    ],
)
def test_paper_and_real_money_are_never_mixed(
    team: Team, gateway: RunningGateway, username: str, environment: str, code: str
) -> None:
    made = connected(team, gateway, username, environment)
    watch(lambda: Connection.objects.filter(pk=made.pk, session_status="refused").exists(), "it is refused")
    assert refused(made) == code
    assert not BrokerageAccount.objects.exists()


def test_a_live_user_is_taken_as_live(team: Team, gateway: RunningGateway) -> None:
    made = connected(team, gateway, "live7004", "live")
    number = gateway.sign_in("live7004")
    Connection.objects.update(live_account=number)
    watch(BrokerageAccount.objects.exists, "its account is found")
    account = BrokerageAccount.objects.get(connection=made)
    assert not account.is_paper


@pytest.mark.parametrize(("kind", "margin"), [("cash", "cash"), ("margin", "margin")])
def test_a_cash_account_is_recognised(
    client: Client, alice: User, team: Team, gateway: RunningGateway, kind: str, margin: str
) -> None:
    made = connected(team, gateway, f"u-{kind}-7005", "simulated", type=kind)
    watch(lambda: BrokerageAccount.objects.filter(book_as_of__isnull=False).exists(), "its book is read")
    assert BrokerageAccount.objects.get().margin == margin
    client.force_login(alice)
    assert f"{margin} account" in client.get(f"/teams/{team.code}/connections/{made.code}/").text


def test_classes_that_a_login_may_not_trade_are_shown(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = connected(team, gateway, "u-classes-7006", "simulated")
    gateway.fault(match={"user": made.username}, action={"permissions": {"classes": "STK,OPT", "s": 60}})
    watch(BrokerageAccount.objects.exists, "its account is found")
    account = BrokerageAccount.objects.get()
    assert account.capabilities.classes[:4] == [
        ("shares", True),
        ("options", True),
        ("currencies", False),
        ("futures", False),
    ]
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/accounts/{account.code}/").text
    classes = page.partition("What it may trade")[2].partition("</ul>")[0]
    assert re.findall(r"(no)?(?:</span>)? ([a-zA-Z ]+)\s+</li>", classes)[:3] == [
        ("", "shares"),
        ("", "options"),
        ("no", "currencies"),
    ]


def test_each_account_of_a_login_has_orders_and_a_book_of_its_own(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway, sub_accounts=[{"cash": 25_000}, {"cash": 50_000, "type": "cash"}])
    gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00")
    master, first, second = BrokerageAccount.objects.order_by("pk")
    assert (master.kind, first.kind) == ("advisor", "individual")
    orders = [rows.order(account, quantity=Decimal(n)) for n, account in ((3, first), (7, second))]
    lab.work()

    def brought_home() -> bool:
        return Position.objects.count() == 2 and not Order.objects.exclude(status="filled").exists()

    watch(brought_home, "both fills are home")
    assert {order.account_id: order.quantity for order in orders} == {first.pk: Decimal(3), second.pk: Decimal(7)}
    assert {held.account_id: held.quantity for held in Position.objects.all()} == {
        first.pk: Decimal(3),
        second.pk: Decimal(7),
    }
    sent = {entry["path"].split("/")[3] for entry in bench.posts()}
    assert sent == {first.account_id, second.account_id}

    def books() -> dict[str, Any]:
        return dict(BrokerageAccount.objects.values_list("account_id", "cash"))

    assert books()[first.account_id] < Decimal(25_000) < books()[second.account_id] < Decimal(50_000)
    assert [BrokerageAccount.objects.get(pk=each.pk).margin for each in (first, second)] == ["margin", "cash"]
