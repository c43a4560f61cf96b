"""Trying a signal by hand."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, Team, User
from brokers.models import Connection, ContractLookup, OrderEvent, Ticket
from brokers.tests import rows as broker
from strategies.domain.message.message import Bracket
from strategies.models import Decision, Signal, Strategy, Subscription
from strategies.tests import rows
from strategies.tests.pages.test_check_view import known

pytestmark = pytest.mark.django_db(transaction=True)
ORDER = {"ticker": "spy", "action": "buy", "quantity": "10", "price": "660.5"}


def test_it_makes_what_a_new_team_needs_and_leads_to_the_signal(client: Client, alice: User, team: Team) -> None:
    account = broker.account(team)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/try/")
    assert f"followed by {account.account_id}" in page.text
    answer = client.post(f"/teams/{team.code}/signals/try/", ORDER)
    signal = Signal.objects.get()
    assert answer.headers["Location"] == f"/teams/{team.code}/signals/{signal.code}/"
    assert json.loads(signal.body) == {"ticker": "spy", "action": "buy", "quantity": "10", "price": "660.5"}
    assert signal.reading["instrument"]["symbol"] == "SPY"
    subscription = Strategy.objects.get().subscriptions.get()
    assert (subscription.account, subscription.enabled) == (account, True)


def test_it_sends_to_the_strategy_one_chooses(client: Client, bob: User, team: Team, now: datetime) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    rows.strategy(team, now, "First")
    second = rows.strategy(team, now, "Second")
    client.force_login(bob)
    client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "strategy": str(second.code)})
    client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "strategy": str(second.code)})
    assert [signal.strategy for signal in Signal.objects.all()] == [second, second]


def test_it_forbids_a_viewer_and_hides_from_a_stranger(client: Client, bob: User, charlie: User, team: Team) -> None:
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert client.get(f"/teams/{team.code}/signals/try/").status_code == status
        assert client.post(f"/teams/{team.code}/signals/try/", ORDER).status_code == status
    assert not Signal.objects.exists()
    assert not Strategy.objects.exists()


def test_it_says_what_the_sender_of_such_a_message_would_read(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    rows.strategy(team, now)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "ticker": "no such ticker"})
    assert page.status_code == 422
    assert "no such ticker" in page.text
    assert 'role="alert"' in page.text
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "quantity": "-1"})
    assert 'aria-invalid="true"' in page.text
    assert "invalid-quantity" in page.text
    assert not Signal.objects.exists()


def test_it_warns_before_a_signal_that_could_trade_real_money(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    walk = rows.walk(team, now)
    client.force_login(alice)
    assert "real money" not in client.get(f"/teams/{team.code}/signals/try/").text
    Connection.objects.filter(pk=walk.account.connection_id).update(environment="live")
    assert "real money" in client.get(f"/teams/{team.code}/signals/try/").text


def check(client: Client, team: Team, **values: Any) -> str:
    """The answer to a signal that is only checked, as the text that people read."""
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "check": "yes", **values})
    assert page.status_code == 200
    assert not Signal.objects.exists()
    assert not Decision.objects.exists()
    tried = page.text[page.text.index('id="tried"') :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", tried)))


def test_the_orders_of_each_subscription_stand_on_the_page_before_sending(
    client: Client, alice: User, team: Team
) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    bare = rows.subscription(strategy, known(broker.account(team)), now)
    guarded = rows.subscription(
        strategy,
        known(broker.account(team)),
        now,
        stop_loss=Bracket(mode="percent", value=Decimal(2)),
        take_profit=Bracket(mode="percent", value=Decimal(4)),
    )
    client.force_login(alice)
    page = check(client, team, ticker="AAPL", quantity="3", price="187", order_type="limit", limit="187")
    assert page.count("The orders it would make now") == 1
    assert page.count("Type limit Limit 187 Good for the day") == 2
    assert "Stop loss sell 3, stop 183.26, gtc" in page
    assert "Target sell 3, limit 194.48, gtc" in page
    assert "Stop loss none: nothing limits the loss of this position Target none" in page
    assert page.count("Symbol check. AAPL at NASDAQ is IBKR's contract 265598, in USD, in steps of 0.01.") == 2
    assert "Its last price was 187" in page
    for subscription in (bare, guarded):
        assert subscription.account.account_id in page
    assert not Ticket.objects.exists()
    market = check(client, team, ticker="AAPL", quantity="3", price="")
    assert "Type market Limit none: it takes the market's price Good for the day" in market


def test_a_fresh_page_shows_what_its_own_example_would_do(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team), "SPY"), now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/try/?strategy={strategy.code}").text
    assert "Open long with 10 shares of SPY." in page
    assert "Symbol check." in page


def test_a_new_team_sees_the_orders_of_the_strategy_that_would_be_made(client: Client, alice: User, team: Team) -> None:
    account = known(broker.account(team), "SPY")
    client.force_login(alice)
    page = check(client, team)
    assert account.account_id in page
    assert "Open long with 10 shares of SPY." in page
    assert not Strategy.objects.exists()
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("typed", "code", "sentence"),
    [
        ({"quantity": "ten"}, "invalid-quantity", 'quantity is "ten", which is not a number.'),
        ({"quantity": "1e999"}, "invalid-quantity", "Send digits only, such as 10 or 10.5."),
        ({"quantity": "1,5"}, "invalid-quantity", 'quantity is "1,5"'),
        ({"ticker": ""}, "empty-ticker-name", "ticker is empty. Name what to trade."),
        ({"ticker": "x" * 300}, "ticker-does-not-exist", "is not a stock."),
        ({"ticker": "NSE:INFY"}, "unsupported-exchange", "National Stock Exchange of India"),
        ({"action": "hold"}, "invalid-action", 'action is "hold".'),
        ({"limit": "abc", "order_type": "limit"}, "invalid-limit-price", 'limitPrice is "abc", which is not a number.'),
        ({"order_type": "iceberg"}, "invalid-order-type", "orderType"),
        ({"stop_loss": "-5"}, "invalid-stop-loss-stop-price", "stopLoss.stopPrice"),
        ({"take_profit": "soon"}, "invalid-take-profit-limit-price", "takeProfit.limitPrice"),
    ],
)
def test_its_errors_are_our_sentences_with_their_codes(
    client: Client, alice: User, team: Team, now: datetime, typed: dict[str, str], code: str, sentence: str
) -> None:
    rows.strategy(team, now)
    client.force_login(alice)
    checked = check(client, team, **typed)
    sent = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, **typed})
    assert sent.status_code == 422
    for page in (checked, html.unescape(sent.text)):
        assert code in page
        assert sentence in page
        for foreign in ("Enter a number", "Select a valid choice", "Ensure", "This field is required", "Null char"):
            assert foreign not in page
    assert not Signal.objects.exists()


def test_a_strategy_that_was_switched_off_meanwhile_is_said_so(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    rows.strategy(team, now, "On")
    off = rows.strategy(team, now, "Off")
    Strategy.objects.filter(pk=off.pk).update(enabled=False)
    client.force_login(alice)
    assert "This strategy is not there any more, or it is switched off." in check(client, team, strategy=str(off.code))
    page = client.post(f"/teams/{team.code}/signals/try/", {**ORDER, "strategy": str(off.code)})
    assert (page.status_code, "strategy-disabled" in page.text) == (422, True)


def test_typing_asks_ibkr_nothing_and_check_does(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    rows.subscription(rows.strategy(team, now), known(broker.account(team)), now)
    client.force_login(alice)
    assert "IBKR was not asked about NFLX yet. Check asks it." in check(client, team, ticker="NFLX")
    assert not ContractLookup.objects.filter(ticker="NFLX").exists()
    asked = check(client, team, ticker="NFLX", ask="yes")
    assert "IBKR is being asked about NFLX." in asked
    assert "Looking again by itself." in asked
    ContractLookup.objects.filter(ticker="NFLX").update(
        status="unknown", reason="IBKR knows no US stock NFLX.", reason_code="unknown-symbol"
    )
    unknown = check(client, team, ticker="NFLX")
    assert "Symbol check. IBKR knows no US stock NFLX. unknown-symbol" in unknown
    assert "Looking again" not in unknown


def test_the_symbol_check_says_who_may_not_trade_it_and_what_is_not_traded(
    client: Client, alice: User, team: Team
) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    account = known(broker.account(team))
    rows.subscription(strategy, account, now)
    client.force_login(alice)
    ContractLookup.objects.update(permitted=["U1"])
    assert f"{account.account_id} may not trade it" in check(client, team, ticker="AAPL")
    Strategy.objects.filter(pk=strategy.pk).update(asset_class="crypto")
    assert "asset-class-not-traded" in check(client, team, ticker="BTCUSD")


def test_a_close_shows_no_protection_and_a_flip_both_its_orders(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    account = known(broker.account(team))
    broker.position(account, quantity=Decimal(10), average_cost=Decimal(180), as_of=account.book_as_of)
    rows.subscription(strategy, account, now)
    client.force_login(alice)
    closed = check(client, team, ticker="AAPL", action="exit", quantity="")
    assert "exit Type market" in closed
    assert "Stop loss" not in closed
    flipped = check(client, team, ticker="AAPL", action="reverse", quantity="4")
    assert "entry, once the order before it has filled" in flipped
    assert not OrderEvent.objects.exists()
