"""Fills of a group that IBKR does not tell: owners hear of them, they are asked for again, and no stop is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import Execution, Notice, Order
from brokers.needs.kinds import NEEDS
from brokers.notices import missed, telling
from brokers.orders.fills import account_legs
from brokers.processes.watching import book
from brokers.tests import lab, rows
from brokers.tests.advisors.test_account_legs import entered, entry, filled, of_accounts, waits
from brokers.tests.orders.test_group_legs import bench, clients_hold
from brokers.tests.orders.test_partly_filled_entries import lived
from brokers.tests.orders.test_plans import opened, status

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["bench", "entry"]
LATER = account_legs.MISSED_AFTER + timedelta(seconds=1)


def needs(team: Team) -> list[str]:
    now = timezone.now()
    [kind] = [kind for kind in NEEDS if kind.name == "fills of groups that nobody has told"]
    return [need.title for need in kind.lines(team, now, list(kind.rows(team, now).values_list("facts", flat=True)))]


def test_within_a_minute_owners_are_told_and_a_need_stands_until_the_fills_are_here(
    entry: Order, team: Team, alice: User, client: Client
) -> None:
    now = timezone.now()
    filled(entry, "U1", 6)
    account_legs.place_what_waits(now)
    assert (needs(team), missed.tell(now)) == ([], 0), "most come within a second"
    account_legs.place_what_waits(now + LATER)
    assert needs(team) == ["IBKR has not told who of family got 4 of 10 AAPL"]
    assert (missed.tell(now), missed.tell(now)) == (1, 0), "each is told once"
    notice = Notice.objects.get()
    assert notice.kind == "missing-stop"
    assert "which accounts got 4 of them" in notice.why
    assert not notice.is_about_its_market
    dispatch = notice.dispatches.get(user=alice)
    assert f"/orders/{entry.code}/" in telling.letter(notice, dispatch, now)[1]
    client.force_login(alice)
    shown = client.get(f"/teams/{team.code}/orders/{entry.code}/").content.decode()
    assert "IBKR has not told all fills, so who lacks them is not known" in shown
    assert of_accounts("stop_loss") == {"U1": [6]}, "no stop is guessed"
    # What is told at last gets its legs with the news that brings it.
    filled(entry, "U2", 4)
    account_legs.place([Order.objects.get(pk=entry.pk)], now + LATER)
    assert of_accounts("stop_loss") == {"U1": [6], "U2": [4]}
    assert (needs(team), waits(entry)) == ([], False)


def test_what_is_never_told_is_asked_for_four_days(entry: Order, team: Team) -> None:
    now = timezone.now()
    filled(entry, "U1", 6)
    account_legs.place_what_waits(now + LATER)
    assert account_legs.are_missed(entry.connection_id)
    account_legs.place_what_waits(now + account_legs.LEAVES_WITHIN - timedelta(minutes=1))
    assert account_legs.are_missed(entry.connection_id)
    account_legs.place_what_waits(now + account_legs.LEAVES_WITHIN + timedelta(minutes=1))
    assert not account_legs.are_missed(entry.connection_id)
    assert (needs(team), waits(entry)) == ([], False)
    assert "IBKR has not told all fills" in account_legs.in_words(Order.objects.get(pk=entry.pk))


def test_accounts_that_hold_nothing_need_nobody(entry: Order, team: Team) -> None:
    now = timezone.now()
    account_legs.place_what_waits(now + LATER)
    assert needs(team), "their books are older than the fill"
    clients = entry.connection.accounts.exclude(pk=entry.account_id)
    clients.update(book_as_of=now + LATER)
    assert needs(team) == []
    rows.position(clients[0], conid=entry.conid)
    assert needs(team)


def test_those_who_hold_more_than_is_told_are_asked_first(entry: Order) -> None:
    """Of a group of fifty each was asked in its turn, ten seconds apart, whatever its book showed."""
    now = timezone.now()
    one, two = entry.connection.accounts.exclude(pk=entry.account_id).order_by("pk")
    filled(entry, one.account_id, 6)
    account_legs.place_what_waits(now + LATER)
    assert account_legs.who_may_have_them(entry.connection_id) == set()
    held = [rows.position(account, conid=entry.conid, quantity=Decimal(6)) for account in (one, two)]
    assert account_legs.who_may_have_them(entry.connection_id) == {two.pk}
    held[0].quantity = Decimal(-7)
    held[0].save()
    assert account_legs.who_may_have_them(entry.connection_id) == {one.pk, two.pk}


@pytest.fixture
def silent(bench: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[lab.Lab]:
    """A gateway that tells of no fill; whose books are read at every look, and asked for fills once at first."""
    for name in ("BOOK_SECONDS", "IDLE_BOOK_SECONDS"):
        monkeypatch.setattr(book, name, 0.0)
    monkeypatch.setattr(book, "MOST_READS", 0)
    bench.gateway.fault(action={"suppress_ws": {"topic": "str", "s": 600}}, match={"user": bench.user})
    trades = {"method": "GET", "path": "/iserver/account/trades", "user": bench.user}
    bench.gateway.fault(action={"status": 200, "body": []}, match=trades, times=None)
    yield bench
    bench.gateway.clear_faults()


def test_a_gateway_that_tells_at_last_is_asked_until_it_does(silent: lab.Lab) -> None:
    entry = opened(silent, entered()).orders.get()

    def missed_now() -> bool:
        account_legs.place_what_waits(timezone.now() + LATER)
        return account_legs.are_missed(silent.connection.pk)

    def told() -> bool:
        silent.gateway.clear_faults()
        return Execution.objects.filter(order=entry).count() == 4

    lived(
        lambda: status(entry) == "filled",
        lambda: clients_hold(silent) == 10,
        missed_now,
        lambda: not Order.objects.exclude(pk=entry.pk).exists(),
        told,
        lambda: Order.objects.filter(role="stop_loss", status="accepted").count() == 4,
    )
    assert not waits(entry)
    assert sorted(units for [units] in of_accounts("stop_loss").values()) == [2, 2, 3, 3]
