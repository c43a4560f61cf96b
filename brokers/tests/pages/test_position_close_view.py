"""The page that closes a position, and what the positions page says of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Role, Team, User
from brokers import live
from brokers.models import BrokerageAccount, Closing, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = rows.account(team, book_as_of=timezone.now())
    rows.position(made, quantity=Decimal(300))
    return made


def page_of(account: BrokerageAccount, conid: int = 265598) -> str:
    return f"/teams/{account.team.code}/accounts/{account.code}/positions/{conid}/close/"


def test_it_spells_out_what_will_happen(client: Client, alice: User, account: BrokerageAccount) -> None:
    rows.order(account, role="stop_loss", side="sell", type="stop", stop_price=Decimal(150))
    client.force_login(alice)
    page = client.get(page_of(account))
    for words in (
        "1 order of Halyard&#x27;s in AAPL</strong> is canceled first",
        "stop loss",
        "a market order to sell",
        "it rests at IBKR until the open",
        "Leave it empty to close all 300.",
        "Orders placed elsewhere",
    ):
        assert words.replace("&#x27;", "'") in page.text.replace("&#x27;", "'")
    assert not Closing.objects.exists()


def test_it_closes_all_of_it(client: Client, alice: User, account: BrokerageAccount) -> None:
    client.force_login(alice)
    page = client.post(page_of(account), {"quantity": ""}, follow=True)
    made = Closing.objects.get()
    assert (made.quantity, made.asked_by, made.reason) == (None, alice, "alice@example.com asked for it.")
    assert "AAPL is being closed. A market order to sell 300 is on its way." in page.text
    assert Order.objects.get().quantity == 300
    assert AuditEntry.objects.get(action="position.close_requested").after == {
        "quantity": "all",
        "reason": "alice@example.com asked for it.",
    }


@pytest.mark.parametrize(("text", "kept"), [("100", Decimal(100)), ("300", None)])
def test_it_closes_the_part_that_was_asked_for(
    client: Client, alice: User, account: BrokerageAccount, text: str, kept: Decimal | None
) -> None:
    client.force_login(alice)
    client.post(page_of(account), {"quantity": text})
    assert Closing.objects.get().quantity == kept


@pytest.mark.parametrize("text", ["301", "0", "-5"])
def test_more_than_is_held_is_not_closed(client: Client, alice: User, account: BrokerageAccount, text: str) -> None:
    client.force_login(alice)
    page = client.post(page_of(account), {"quantity": text})
    assert page.status_code == 422
    assert "Between 0 and 300 can be closed. Leave it empty for all of it." in page.text
    assert not Closing.objects.exists()


def test_a_trader_may_close(client: Client, bob: User, account: BrokerageAccount) -> None:
    account.team.memberships.filter(user=bob).update(role=Role.TRADER)
    client.force_login(bob)
    assert client.post(page_of(account), {"quantity": ""}).status_code == 302
    assert Closing.objects.get().asked_by == bob


def test_it_forbids_a_viewer(client: Client, bob: User, account: BrokerageAccount) -> None:
    client.force_login(bob)
    assert client.get(page_of(account)).status_code == 403
    assert client.post(page_of(account), {"quantity": ""}).status_code == 403
    assert "may-close" not in client.get(f"/teams/{account.team.code}/positions/").text
    assert not Closing.objects.exists()


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, account: BrokerageAccount) -> None:
    client.force_login(charlie)
    assert client.get(page_of(account)).status_code == 404
    assert client.post(page_of(account), {"quantity": ""}).status_code == 404
    assert not Closing.objects.exists()


def test_what_is_not_held_cannot_be_closed(client: Client, alice: User, account: BrokerageAccount) -> None:
    client.force_login(alice)
    assert client.get(page_of(account, 1)).status_code == 404
    page = client.post(page_of(account, 1), {"quantity": ""}, follow=True)
    assert "There is nothing left to close." in page.text
    assert not Closing.objects.exists()


def test_the_positions_page_shows_what_is_being_closed_and_what_could_not_be(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    client.force_login(alice)
    positions = f"/teams/{account.team.code}/positions/"
    page = client.get(positions)
    assert f'href="{page_of(account)}"' in page.text
    assert "may-close" in page.text
    client.post(page_of(account), {"quantity": ""})
    page = client.get(positions)
    assert "Closing AAPL in" in page.text
    assert f'href="{page_of(account)}"' not in page.text
    assert "closing</span>" in live.account_html(account.pk)
    Closing.objects.update(status="failed", ended_at=timezone.now(), note="Not closed: IBKR said no.")
    assert "Not closed: IBKR said no." in client.get(positions).text
    Closing.objects.update(ended_at=timezone.now() - timedelta(days=2))
    assert "Not closed: IBKR said no." not in client.get(positions).text


def test_it_cannot_be_mistaken_for_play_when_it_is_real_money(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    client.force_login(alice)
    assert 'class="hazard"' not in client.get(page_of(account)).text
    account.connection.environment = "live"
    account.connection.save()
    assert 'class="hazard"' in client.get(page_of(account)).text
