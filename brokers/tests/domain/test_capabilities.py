"""What IBKR lets an account do, in one sentence and on the account's page."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.tests import rows


@pytest.mark.parametrize(
    ("can", "sentence"),
    [
        (NOT_SAID, "IBKR has not said what this account may trade."),
        (Capabilities(asset_types="News"), "IBKR has not said what this account may trade."),
        (Capabilities(asset_types="STK, FUT,News", clearing="open"), "IBKR lets it trade shares, futures."),
        (Capabilities(clearing="pending", asset_types="STK"), "IBKR lists this account as pending."),
        (Capabilities(client_trades=False), "IBKR has trading by the client switched off in this account."),
        (
            Capabilities(lite=True, client_trades=False),
            "This is an IBKR Lite account: IBKR takes no orders for it through the API.",
        ),
    ],
)
def test_it_says_the_gravest_thing_first(can: Capabilities, sentence: str) -> None:
    assert can.sentence == sentence


@pytest.mark.django_db
def test_the_page_of_an_account_says_what_it_may_trade(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team, asset_types="STK,OPT", clearing="open")
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/accounts/{account.code}/")
    classes = page.text.partition("What it may trade")[2].partition("</ul>")[0]
    assert re.findall(r"(no)?(?:</span>)? ([a-zA-Z ]+)\s+</li>", classes)[:3] == [
        ("", "shares"),
        ("", "options"),
        ("no", "currencies"),
    ]
