"""Orders and fills brought home into the database that there is now, by the lane or by the stream, whichever comes first."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.orders import Instrument
from brokers.models import BrokerageAccount, ForeignOrder
from brokers.postgres import incarnation
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")
REFERENCE = "hy-00000000000000000000000000000001"
LISTS = {"method": "GET", "path": "/iserver/account/orders"}


@pytest.fixture
def restored(team: Team, gateway: RunningGateway) -> lab.Lab:
    """An account whose row is out of the backup of another database; an order bears our reference and is in no row."""
    bench = lab.make(team, gateway)
    gateway.by_hand(bench.user, symbol="AAPL", side="BUY", quantity=1, type="LMT", limit_price=1, reference=REFERENCE)
    BrokerageAccount.objects.update(orders_home_in="16384.16999.1.0", book_as_of=timezone.now())
    bench.account.refresh_from_db()
    return bench


def is_unread(bench: lab.Lab) -> bool:
    """Whether the book says that orders may be missing; a decision that sees it asks for a look."""
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    account.book_as_of = timezone.now()
    view = live_book.load([(account, AAPL)], timezone.now()).view(account, AAPL)
    assert isinstance(view, View)
    return view.unread


def test_a_database_has_a_name_of_its_own(team: Team) -> None:
    assert incarnation.name() == incarnation.name()
    assert 0 < len(incarnation.name()) <= 60


def test_the_lane_brings_them_home_for_the_entry_that_waits(restored: lab.Lab) -> None:
    assert is_unread(restored)
    lab.work()
    account = BrokerageAccount.objects.get(pk=restored.account.pk)
    assert (account.orders_home_in, account.book_wanted_at) == (incarnation.name(), None)
    assert ForeignOrder.objects.get().reference == REFERENCE
    assert not is_unread(restored)


def test_a_list_that_ibkr_does_not_give_brings_nothing_home_and_is_asked_for_again(
    restored: lab.Lab, gateway: RunningGateway
) -> None:
    gateway.fault(action={"status": 500, "body": {"error": "try later"}}, match=LISTS, times=None)
    assert is_unread(restored)
    lab.work()
    account = BrokerageAccount.objects.get(pk=restored.account.pk)
    assert (account.orders_home_in, account.book_wanted_at) == ("16384.16999.1.0", None)
    gateway.clear_faults()
    assert is_unread(restored)
    lab.work()
    assert not is_unread(restored)


def test_the_stream_brings_them_home_as_well(restored: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(
                lambda: BrokerageAccount.objects.get(pk=restored.account.pk).orders_home_in == incarnation.name(),
                "the stream has read them",
            )

    asyncio.run(story())
    assert ForeignOrder.objects.get().reference == REFERENCE


def test_what_is_to_leave_goes_between_two_accounts_whose_lists_are_read(team: Team, gateway: RunningGateway) -> None:
    """Each list is given once in five seconds: a way out does not wait until the last account has had its turn."""
    bench = lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 4)
    accounts = BrokerageAccount.objects.filter(connection=bench.connection)
    accounts.update(orders_home_in="16384.16999.1.0", book_wanted_at=timezone.now(), book_as_of=timezone.now())

    def unread() -> int:
        return accounts.exclude(orders_home_in=incarnation.name()).count()

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: len(gateway.journal(bench.user, path=LISTS["path"])) > before, "a list is read")
            await asyncio.to_thread(lab.asked, bench.order)
            await lab.until(bench.posts, "the order leaves")
            left.append(await asyncio.to_thread(lab.asked, unread))
            await lab.until(lambda: unread() == 0, "all are read", within=60)

    before, left = len(gateway.journal(bench.user, path=LISTS["path"])), list[int]()
    asyncio.run(story())
    assert left[0] > 0
