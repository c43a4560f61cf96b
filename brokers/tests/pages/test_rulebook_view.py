"""The rulebook as a page: generated from the tables, private, with a calculator that answers anything."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.rulebook import rulesets
from brokers.rulebook.lookup import tables

pytestmark = pytest.mark.django_db


def page_of(client: Client, team: Team, **asked: Any) -> Any:
    fields = {"asset_class": "equity", "symbol": "SPY", "quantity": "100", "price": "250", **asked} if asked else {}
    return client.get(f"/teams/{team.code}/rulebook/", fields)


def test_it_is_for_members_only(client: Client, charlie: User, team: Team) -> None:
    assert page_of(client, team).status_code == 302
    client.force_login(charlie)
    assert page_of(client, team).status_code == 404


def test_it_shows_the_tables_and_names_their_version(client: Client, bob: User, team: Team) -> None:
    client.force_login(bob)
    page = page_of(client, team)
    for words in (
        "seed-2026-08-21",
        "Limit if touched",
        "Combo leg limit",
        "0.005 USD a share",
        "2.15 USD a contract",
        "EUR",
        "20,000",
        "6,000,000",
        "50 % of the value",
        "11,880.00 USD",
        "1,188.00 USD",
        "out of date",
        "The next trading day at 06:00",
        "up to 10,000 contracts a month",
        "Mon to Fri 09:30-16:00",
        'id="reason-no_trading_permission"',
        'id="R05"',
    ):
        assert words in page.text, words
    rules = rulesets.load()
    assert page.text.count('<td class="yes">') + page.text.count('<td class="experimental">') == len(rules.cells)


def test_it_calculates_an_example_before_anybody_asks(client: Client, bob: User, team: Team) -> None:
    client.force_login(bob)
    page = page_of(client, team)
    assert "needs 12,501.00 USD" in page.text
    assert "needs 25,001.00 USD" in page.text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"asset_class": "future", "symbol": "es", "quantity": "2"},
            ["4.30 USD", "needs 23,764.30 USD", "figure of 2022-01-21"],
        ),
        ({"asset_class": "future", "symbol": "MNQ"}, ["1,650", "figure of 2022-01-21, too old to refuse by"]),
        ({"asset_class": "future", "symbol": "SIL"}, ["No margin is known for the future SIL", "unknown"]),
        ({"asset_class": "forex", "symbol": "USDJPY", "quantity": "30000", "price": "154"}, ["needs 602.00 USD"]),
        ({"asset_class": "forex", "symbol": "EURUSD", "quantity": "2000", "price": "1.08"}, ["does not take it"]),
        ({"asset_class": "forex", "symbol": "EURGBP", "quantity": "30000", "price": "1"}, ["what GBP is in USD"]),
        ({"asset_class": "option", "quantity": "-2", "price": "1.2"}, ["follows its underlying"]),
        ({"quantity": "-100"}, ["cannot, or unknown"]),
        ({"quantity": "0.5"}, ["below the lot size"]),
        ({"rules": "ibkr_current"}, ["own schedule, where it differs", "ibkr_current-2024-05-28", "tiered"]),
    ],
)
def test_it_calculates(client: Client, bob: User, team: Team, asked: dict[str, str], words: list[str]) -> None:
    client.force_login(bob)
    page = page_of(client, team, **asked)
    assert page.status_code == 200
    for each in words:
        assert each in page.text, each


@pytest.mark.parametrize(
    "asked",
    [{"quantity": "many"}, {"price": "0"}, {"price": "NaN"}, {"rules": "mine"}, {"asset_class": "art"}, {"symbol": ""}],
)
def test_it_marks_what_it_cannot_read(client: Client, bob: User, team: Team, asked: dict[str, str]) -> None:
    client.force_login(bob)
    page = page_of(client, team, **asked)
    assert page.status_code == 422
    assert "Correct the marked fields" in page.text


@pytest.mark.parametrize("name", rulesets.names())
@pytest.mark.parametrize("asset_class", tables.CALCULATED)
def test_every_ruleset_answers_for_every_class(name: str, asset_class: str) -> None:
    rules = rulesets.load(name)
    for symbol, quantity in (("ES", 1), ("EURUSD", -30_000), ("", 5), ("!", 0)):
        figures = tables.calculate(
            asset_class, symbol, Decimal(quantity), Decimal(3), rules=rules, today=rules.effective_from
        )
        assert figures.fee is None or figures.fee >= 0
    assert tables.sizes(rules)


def test_another_ruleset_is_one_click_away(client: Client, bob: User, team: Team) -> None:
    client.force_login(bob)
    page = page_of(client, team)
    for name in ("seed", "ibkr_current", "lean"):
        assert f'href="?rules={name}"' in page.text
    other = client.get(f"/teams/{team.code}/rulebook/?rules=ibkr_current")
    assert "ibkr_current-2024-05-28" in other.text
    assert '<input type="hidden" name="rules" value="ibkr_current"' in other.text
