"""The page of an account says what it may open of each class, and open pages are told when that changes."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from accounts.templatetags.ui import DASH
from brokers import live
from brokers.models import BrokerageAccount
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, available_funds=Decimal(25_000), buying_power=Decimal(100_000))


def shown(html: str) -> dict[str, str]:
    """The rows of the table: class and figure, as they are read."""
    table = html[html.index('id="powers-') :].partition("</section>")[0]
    lines = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</th>\s*<td[^>]*>(.*?)</td>\s*</tr>", table, re.DOTALL)
    return {words(name): words(figure) for name, figure in lines}


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_each_class_is_shown_with_what_the_figure_is_held_against(
    client: Client, request: pytest.FixtureRequest, account: BrokerageAccount, who: str
) -> None:
    client.force_login(request.getfixturevalue(who))
    table = shown(client.get(reverse("account", args=[account.team.code, account.code])).text)
    assert table["Shares of value, at 2 times the margin"] == "50,000.00 today 100,000.00 by IBKR"
    assert table["CFDs of value, at 10 times the margin"] == "250,000.00"
    assert table["Currencies of value, at 50 times the margin"] == "1,250,000.00"
    assert [figure for name, figure in table.items() if name.startswith(("Options on", "Futures"))] == ["25,000.00"] * 4
    assert len(table) == 7


def test_a_cash_account_pays_in_full(client: Client, alice: User, account: BrokerageAccount) -> None:
    BrokerageAccount.objects.update(margin="cash")
    client.force_login(alice)
    table = shown(client.get(reverse("account", args=[account.team.code, account.code])).text)
    assert table["Shares of value, paid in full"] == table["CFDs of value, paid in full"] == "25,000.00"
    assert table["Currencies each currency pays for itself"] == DASH


def test_nothing_is_told_before_ibkr_has_shown_the_funds(
    client: Client, alice: User, account: BrokerageAccount
) -> None:
    BrokerageAccount.objects.update(available_funds=None)
    client.force_login(alice)
    page = client.get(reverse("account", args=[account.team.code, account.code])).text
    assert "IBKR has not shown this account's funds yet." in page
    assert shown(page) == {}


def test_an_open_page_is_told(account: BrokerageAccount) -> None:
    assert shown(live.account_html(account.pk))["Shares of value, at 2 times the margin"].startswith("50,000.00")


def test_a_stranger_sees_none(client: Client, charlie: User, account: BrokerageAccount) -> None:
    client.force_login(charlie)
    assert client.get(reverse("account", args=[account.team.code, account.code])).status_code == 404
