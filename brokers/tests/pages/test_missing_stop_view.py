"""What happened to a stop, what Halyard did and what a person can do: on pages, in words, for those who may see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import BrokerageAccount, Lapse, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db
SENTENCES = ("IBKR refused the stop.", "Halyard sent nothing.", "Close the position.")


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def bracket(account: BrokerageAccount) -> tuple[Order, Order]:
    ticket = rows.ticket(account)
    entry = rows.order(ticket, status="filled", filled_quantity=Decimal(10))
    values = {"role": "stop_loss", "side": "sell", "type": "stop", "stop_price": Decimal(95)}
    return entry, rows.order(ticket, parent=entry, release="with_parent", status="rejected", **values)


def test_the_pages_of_the_stop_and_of_its_entry_tell_of_it(
    client: Client, bob: User, account: BrokerageAccount
) -> None:
    entry, stop = bracket(account)
    rows.lapse(account, timezone.now(), stop=stop, entry=entry, alarm=True)
    client.force_login(bob)
    for order in (entry, stop):
        page = client.get(f"/teams/{account.team.code}/orders/{order.code}/").text
        assert all(sentence in page for sentence in SENTENCES)
        assert "is without its stop, and needs you" in page


def test_the_order_that_mends_it_tells_of_it_too(client: Client, bob: User, account: BrokerageAccount) -> None:
    _, stop = bracket(account)
    lapse = rows.lapse(account, timezone.now(), stop=stop, sent=1)
    mend = rows.order(rows.ticket(account, key=lapse.key_of(1)))
    client.force_login(bob)
    assert SENTENCES[0] in client.get(f"/teams/{account.team.code}/orders/{mend.code}/").text
    other = rows.order(account)
    assert SENTENCES[0] not in client.get(f"/teams/{account.team.code}/orders/{other.code}/").text


def test_it_stands_among_the_positions_until_a_while_after_its_end(
    client: Client, bob: User, charlie: User, account: BrokerageAccount
) -> None:
    now = timezone.now()
    lapse = rows.lapse(account, now)
    rows.position(account)
    address = f"/teams/{account.team.code}/positions/"
    client.force_login(bob)
    page = client.get(address).text
    assert all(sentence in page for sentence in SENTENCES)
    assert "no stop" in page
    Lapse.objects.filter(pk=lapse.pk).update(ended_at=now, outcome="A stop works for the position.")
    page = client.get(address).text
    assert "A stop works for the position." in page
    assert "no stop" not in page
    Lapse.objects.filter(pk=lapse.pk).update(ended_at=now - timedelta(hours=2))
    assert SENTENCES[0] not in client.get(address).text
    client.force_login(charlie)
    assert client.get(address).status_code == 404


def test_the_help_explains_each_choice(client: Client, now: datetime) -> None:
    page = client.get("/help/missing-stop/").text
    for label in ("Cancel the entry.", "Place the stop alone.", "Flatten.", "Only raise the alarm."):
        assert label in page
