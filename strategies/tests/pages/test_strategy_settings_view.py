"""A strategy's settings: who may send, how late, how much, how long it is kept."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role, Team, User
from strategies.domain.message.symbols import Kind
from strategies.models import Strategy
from strategies.setup import strategies
from strategies.setup.strategy_settings import StrategySettings, Unusable, read_addresses, read_tickers
from strategies.tests import rows
from strategies.webhook.passwords import signing_keys

pytestmark = pytest.mark.django_db
FIELDS = {
    "name": "Trend",
    "description": "",
    "asset_class": "stock",
    "allowed_tickers": "",
    "allowed_addresses": "",
    "entry_stale_seconds": "60",
    "exit_stale_seconds": "600",
    "repeat_window_seconds": "30",
    "per_minute": "60",
    "per_hour": "500",
    "keep_days": "",
}


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return strategies.create_strategy(team=team, actor=None, name="Trend", now=now)


@pytest.fixture
def path(team: Team, strategy: Strategy) -> str:
    return f"/teams/{team.code}/strategies/{strategy.code}/settings/"


def test_a_trader_changes_them_and_the_audit_says_what_they_were(
    client: Client, bob: User, team: Team, strategy: Strategy, path: str
) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    client.force_login(bob)
    fields = {
        **FIELDS,
        "name": "Slow trend",
        "allowed_tickers": "spy, qqq",
        "allowed_addresses": "192.0.2.7\n2001:DB8::/48",
        "signature_required": "on",
        "exit_stale_seconds": "900",
        "per_minute": "5",
        "keep_days": "30",
    }
    page = client.post(path, fields, follow=True)
    assert "The new settings hold from the next delivery on." in page.text
    strategy.refresh_from_db()
    assert StrategySettings.of(strategy) == StrategySettings(
        name="Slow trend",
        allowed_tickers=("SPY", "QQQ"),
        allowed_addresses=("192.0.2.7", "2001:db8::/48"),
        signature_required=True,
        exit_stale_seconds=900,
        per_minute=5,
        keep_days=30,
    )
    entry = AuditEntry.objects.get(action="strategy.changed")
    assert (entry.actor, entry.subject) == (bob, str(strategy.code))
    assert entry.before == {
        "name": "Trend",
        "allowed_tickers": [],
        "allowed_addresses": [],
        "signature_required": False,
        "exit_stale_seconds": 600,
        "per_minute": 60,
        "keep_days": None,
    }
    assert entry.after is not None
    assert entry.after["allowed_addresses"] == ["192.0.2.7", "2001:db8::/48"]
    assert "exit stale seconds: 600 → 900" in page.text
    assert "bob@example.com" in page.text


def test_saving_what_is_there_already_leaves_no_trace(client: Client, alice: User, path: str) -> None:
    client.force_login(alice)
    assert "Nothing was changed." in client.post(path, FIELDS, follow=True).text
    assert not AuditEntry.objects.filter(action="strategy.changed").exists()


def test_a_viewer_sees_them_and_neither_changes_them_nor_sees_the_key(
    client: Client, bob: User, strategy: Strategy, path: str
) -> None:
    client.force_login(bob)
    page = client.get(path)
    assert page.status_code == 200
    assert "Traders and owners may change these." in page.text
    assert "signing key" not in page.text
    assert client.post(path, FIELDS).status_code == 403
    secret = f"/teams/{strategy.team.code}/webhooks/{strategy.endpoints.get().code}/secret/?as=signing"
    assert client.get(secret).status_code == 403


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, path: str) -> None:
    client.force_login(charlie)
    assert client.get(path).status_code == 404
    assert client.post(path, FIELDS).status_code == 404


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tradingview_only": "on", "signature_required": "on"}, "TradingView cannot sign its messages"),
        ({"tradingview_only": "on", "allowed_addresses": "192.0.2.7"}, "none is TradingView&#x27;s"),
        ({"per_hour": "30"}, "The limit of an hour is below that of a minute, 60."),
        ({"exit_stale_seconds": "10"}, "An exit would be too old before an entry is, at 60 seconds"),
        ({"allowed_addresses": "10.0.0.300"}, "10.0.0.300 is no address."),
        ({"allowed_tickers": "SPY EUR/USD"}, "EUR/USD is a currency pair and this strategy trades stocks."),
        ({"keep_days": "0"}, "greater than or equal to 1"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_field_and_the_reason(
    client: Client, alice: User, strategy: Strategy, path: str, changes: dict[str, str], sentence: str
) -> None:
    client.force_login(alice)
    page = client.post(path, {**FIELDS, **changes})
    assert page.status_code == 422
    assert sentence in page.text
    assert "Nothing was saved yet. One field needs another look." in " ".join(page.text.split())
    strategy.refresh_from_db()
    assert StrategySettings.of(strategy) == StrategySettings(name="Trend")


def test_tradingview_only_may_be_narrowed_to_some_of_its_addresses() -> None:
    allowed = StrategySettings(name="Trend", tradingview_only=True, allowed_addresses=("52.89.214.0/24",))
    assert allowed.contradictions() == []


def test_what_it_trades_stays_once_signals_have_come(
    client: Client, alice: User, strategy: Strategy, path: str, now: datetime
) -> None:
    client.force_login(alice)
    client.post(path, {**FIELDS, "asset_class": "future"})
    strategy.refresh_from_db()
    assert strategy.asset_class == "future"
    rows.signal(strategy, now)
    page = client.post(path, {**FIELDS, "asset_class": "stock"})
    assert page.status_code == 422
    assert "Its signals were read as futures, so it stays a strategy for futures." in page.text
    strategy.refresh_from_db()
    assert strategy.asset_class == "future"


def test_two_strategies_do_not_get_one_name(client: Client, alice: User, team: Team, path: str, now: datetime) -> None:
    rows.strategy(team, now, "Other")
    client.force_login(alice)
    page = client.post(path, {**FIELDS, "name": "Other"})
    assert page.status_code == 422
    assert "This team already has a strategy called Other." in page.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7, 192.0.2.7\n 192.0.2.0/24", ("192.0.2.7", "192.0.2.0/24")),
        ("2001:DB8:0::1 2001:db8::/48", ("2001:db8::1", "2001:db8::/48")),
        ("192.0.2.7/32 2001:db8::1/128", ("192.0.2.7", "2001:db8::1")),
        ("", ()),
    ],
)
def test_addresses_are_read_however_they_are_written(text: str, expected: tuple[str, ...]) -> None:
    assert read_addresses(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("example.com", "example.com is no address."),
        ("192.0.2.7/24", "192.0.2.7/24 is one address within a network. Write 192.0.2.0/24, or the address alone."),
        ("0.0.0.0/0", "0.0.0.0/0 is everybody. Leave the list empty for that."),
        ("::ffff:192.0.2.7", "Write it as IPv4."),
        (" ".join(f"10.0.0.{n}" for n in range(51)), "These are 51 addresses, and 50 are the most."),
    ],
)
def test_what_is_no_address_is_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(Unusable) as refused:
        read_addresses(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("nasdaq:aapl brk.b", Kind.STOCK, ("AAPL", "BRK.B")),
        ("MNQ, ES mnq", Kind.FUTURE, ("MNQ", "ES")),
        ("EUR/USD", Kind.FOREX, ("EURUSD",)),
        ("SPY", Kind.OPTION, ("SPY",)),
    ],
)
def test_tickers_are_listed_as_signals_name_them(
    text: str, kind: Kind, expected: tuple[str, ...], now: datetime
) -> None:
    assert read_tickers(text, kind, now) == expected


def test_a_continuous_contract_is_no_entry_of_a_list(now: datetime) -> None:
    with pytest.raises(Unusable, match="List its root, NQ, for all of its months"):
        read_tickers("NQ1!", Kind.FUTURE, now)


def test_it_leads_to_programs_that_sign(client: Client, alice: User, strategy: Strategy, path: str) -> None:
    client.force_login(alice)
    page = client.get(path).text
    for source in ("python", "curl"):
        href = re.search(rf'href="([^"]+source={source}[^"]*)"', page)
        assert href is not None
        assert "Halyard-Signature" in client.get(href[1].replace("&amp;", "&")).text


def test_it_hands_the_signing_key_to_the_copy_button(client: Client, alice: User, strategy: Strategy) -> None:
    client.force_login(alice)
    endpoint = strategy.endpoints.get()
    answer = client.get(f"/teams/{strategy.team.code}/webhooks/{endpoint.code}/secret/?as=signing")
    assert answer.text == signing_keys(endpoint.code)[0]
    assert "no-store" in answer.headers["Cache-Control"]
