"""Checking a message: our reading, the refusal put right, and what every subscription would do; nothing is written."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Team, User
from brokers.book import contracts, holdings
from brokers.domain.brokerage import AccountSummary
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.models import BrokerageAccount, ContractLookup
from brokers.tests import rows as broker
from strategies.control import halt
from strategies.domain.decide.guards import Halt
from strategies.models import Decision, Refusal, Signal, Strategy
from strategies.rehearsal.dry_run import rehearse
from strategies.tests import rows

pytestmark = pytest.mark.django_db


def address(strategy: Strategy) -> str:
    return f"/teams/{strategy.team.code}/strategies/{strategy.code}/check/"


def known(account: BrokerageAccount, ticker: str = "AAPL") -> BrokerageAccount:
    """An account whose book is fresh, under a connection that knows the contract."""
    now = timezone.now()
    lookup = ContractLookup.objects.create(
        connection=account.connection, ticker=ticker, asset_class=AssetClass.STOCK, asked_at=now
    )
    contract = Contract(instrument=Instrument(ticker=ticker), conid=265598, exchange="NASDAQ")
    quote = Quote(bid=Decimal("186.95"), ask=Decimal("187.05"), last=Decimal(187), as_of=now)
    contracts.answer(lookup, now=now, contract=contract, quote=quote)
    money = AccountSummary(
        net_liquidation=Decimal(100_000),
        cash=Decimal(100_000),
        buying_power=Decimal(400_000),
        available_funds=Decimal(100_000),
    )
    holdings.refresh(account, positions=[], summary=money, as_of=now)
    return account


def test_it_shows_reading_warnings_and_the_order_of_each_subscription(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    off = rows.subscription(strategy, known(broker.account(team)), now)
    off.enabled = False
    off.save()
    client.force_login(alice)
    page = client.post(
        address(strategy), {"body": '{"ticker": "AAPL", "action": "buy", "quantity": 3, "quantiy": 4}'}
    ).text
    assert "Did you mean quantity?" in page
    assert "AAPL, stock" in page
    assert "Open long with 3 shares of AAPL." in page
    assert page.count("1 order<") == 2
    assert page.count("it would not be asked") == 1
    assert "margin needed" in page
    assert not Signal.objects.exists()
    assert not Decision.objects.exists()
    assert not Refusal.objects.exists()


def test_it_shows_the_refusal_with_its_code_and_the_message_put_right(client: Client, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    client.force_login(alice)
    page = client.post(address(strategy), {"body": '{“ticker”: "AAPL", "action": "Long", "qty": "1,000",}'}).text
    assert "malformed-json" in page
    assert "Curly quotation marks made straight." in page
    assert "The comma after the last value left out." in page
    assert "qty renamed quantity." in page
    corrected = rehearse(
        strategy, '{“ticker”: "AAPL", "action": "Long", "qty": "1,000",}'.encode(), timezone.now(), ask=False
    )
    assert corrected.correction is not None
    assert json.loads(corrected.correction.text) == {"ticker": "AAPL", "action": "buy", "quantity": "1000"}


def test_it_shows_what_a_stop_holds_back(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    halt.halt(team=team, target=None, how=Halt.ENTRIES, reason="News", actor=alice, now=now)
    client.force_login(alice)
    page = client.post(address(strategy), {"body": '{"ticker": "AAPL", "action": "buy", "quantity": 3}'}).text
    assert "Opening positions is stopped by alice@example.com for the whole team (News)" in page


def test_typing_asks_ibkr_nothing_and_the_button_does(client: Client, alice: User, bob: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    body = '{"ticker": "NFLX", "action": "buy", "quantity": 1}'
    client.force_login(alice)
    page = client.post(address(strategy), {"body": body}).text
    assert "IBKR was never asked about NFLX." in page
    assert "Looking again" not in page
    assert not ContractLookup.objects.filter(ticker="NFLX").exists()
    client.force_login(bob)
    page = client.post(address(strategy), {"body": body, "ask": "yes"}).text
    assert "Not decided" in page
    assert not ContractLookup.objects.filter(ticker="NFLX").exists()
    client.force_login(alice)
    page = client.post(address(strategy), {"body": body, "ask": "yes"}).text
    assert "Waiting for IBKR&#x27;s contract for NFLX." in page
    assert "Looking again by itself." in page
    assert ContractLookup.objects.get(ticker="NFLX").status == ContractLookup.Status.WANTED
    assert "Looking again" not in client.post(address(strategy), {"body": body, "looks": "15"}).text


def test_it_says_what_would_be_set_aside_and_what_it_would_have_done(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, known(broker.account(team)), now)
    client.force_login(alice)

    def page(**values: object) -> str:
        return client.post(
            address(strategy), {"body": json.dumps({"ticker": "AAPL", "action": "buy", "quantity": 1, **values})}
        ).text

    stale = page(time=(now - timedelta(hours=3)).isoformat())
    assert "stale-signal" in stale
    assert "What it would do if it came in time" in stale
    assert "Open long with 1 share of AAPL." in stale
    assert "expired-signal" in page(expiresAt="2020-01-01T00:00:00Z")
    at = now - timedelta(seconds=5)
    reading = {**rows.READING, "action": "sell", "signal_time": now.isoformat()}
    rows.signal(strategy, now, reading=reading, dispatched_at=now)
    assert "an older signal never undoes a newer one" in page(time=at.isoformat())
    assert "handed out 30 seconds after it came" in page(delay=30)
    assert "nothing is sent to IBKR" in page(test=True)
    Strategy.objects.update(enabled=False)
    assert "strategy-disabled" in page()


def test_strangers_see_nothing_and_viewers_may_look(client: Client, bob: User, charlie: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    for user, status in ((bob, 200), (charlie, 404)):
        client.force_login(user)
        assert client.get(address(strategy)).status_code == status
        assert client.post(address(strategy), {"body": "{}"}).status_code == status


def test_it_takes_bodies_up_to_the_limit_and_refuses_what_is_beyond(client: Client, alice: User, team: Team) -> None:
    strategy = rows.strategy(team, timezone.now())
    client.force_login(alice)
    long = json.dumps({"ticker": "AAPL", "action": "buy", "extras": {"note": "<script>" * 8_000}})
    assert len(long) < 64 * 1024
    page = client.post(address(strategy), {"body": long})
    assert page.status_code == 200
    assert "<script>&lt;" not in page.text
    assert "Our reading" in page.text
    assert "payload-too-large" in client.post(address(strategy), {"body": long + " " * 1_000 + "x" * 2_000}).text


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
            max_leaves=12,
        ).map(json.dumps),
        st.dictionaries(
            st.sampled_from(
                ["ticker", "Ticker", "action", "side", "quantity", "qty", "stopLoss", "quantityType", "delay"]
            ),
            st.sampled_from(
                ["AAPL", "long", "1,000", "$5", "trailing", {"percent": "x"}, [], None, True, "risk_per_position", 1e9]
            ),
            max_size=6,
        ).map(json.dumps),
    )
)
def test_it_has_an_answer_to_anything(client: Client, alice: User, team: Team, body: str) -> None:
    strategy = team.strategies.first() or rows.strategy(team, timezone.now())
    client.force_login(alice)
    answer = client.post(address(strategy), {"body": body.encode("utf-8", "replace").decode()})
    # A NUL is refused before any page reads it.
    assert answer.status_code == (400 if "\x00" in body else 200)
