"""What terms would make of examples and of the last signals, before they are set."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.domain.orders import OrderType
from brokers.models import BrokerageAccount, ContractLookup, Order, Ticket
from brokers.tests import rows as broker
from strategies.domain.message.symbols import Kind, read
from strategies.domain.terms.terms import Terms
from strategies.models import Decision, Signal, Strategy
from strategies.rehearsal import preview
from strategies.rehearsal.dry_run import rehearse
from strategies.rehearsal.preview import PreviewRow
from strategies.rehearsal.scenes import Scene
from strategies.tests import rows
from strategies.tests.domain.cases_of_decide import bracket

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return broker.account(team, book_as_of=now - timedelta(hours=9), equity=D(100_000), available_funds=D(100_000))


def known(account: BrokerageAccount, now: datetime, **values: Any) -> None:
    fields = {
        "ticker": "AAPL",
        "asset_class": "stock",
        "status": "found",
        "conid": 265598,
        "currency": "USD",
        "multiplier": 1,
        "tick": D("0.05"),
        "asked_at": now,
        **values,
    }
    ContractLookup.objects.create(connection=account.connection, **fields)


def scene(now: datetime, ticker: str = "AAPL", kind: Kind = Kind.STOCK, **values: Any) -> Scene:
    return Scene(symbol=read(ticker, kind, now), **{"price": D("100.01"), "quantity": D(10), **values})


def stored_signal(signals: Strategy, at: datetime, action: str, price: str | None, **reading: Any) -> Signal:
    values: dict[str, Any] = {"action": action, "instrument": {"class": "stock", "symbol": "AAPL"}, **reading}
    if price is not None:
        values["signal_price"] = price
    return rows.signal(signals, at, reading=values, dispatched_at=at)


def by_title(shown: preview.Preview) -> dict[str, PreviewRow]:
    return {row.title: row for row in shown.rows}


def test_each_example_meets_the_chosen_position_with_its_protection(account: BrokerageAccount, now: datetime) -> None:
    known(account, now)
    terms = Terms(stop_loss=bracket("percent", 5), order_type=OrderType.LIMIT)
    shown = by_title(preview.examples(terms, account, scene(now, position=D(20)), now))
    assert shown["Buy"].code == "position-already-open"
    assert [line.words for line in shown["Sell"].orders][:1] == ["sell 10 AAPL limit 100.05, day"]
    assert shown["Exit"].reason == "Exit all 20 shares of AAPL held long."
    assert shown["Exit half"].reason == "Exit 10 of 20 shares of AAPL held long."
    assert len(shown["Exit half"].resizes) + len(shown["Exit half"].cancels) == 1
    assert shown["Add"].rule == "D31"
    flat = by_title(preview.examples(terms, account, scene(now), now))
    assert [(line.role, line.words) for line in flat["Buy"].orders] == [
        ("entry", "buy 10 AAPL limit 100, day"),
        ("stop_loss", "sell 10 AAPL stop 95, gtc"),
    ]
    assert flat["Buy without a quantity"].code == "quantity-required"
    assert flat["Exit"].code == "nothing-to-exit"


def test_a_plan_that_waits_for_an_approver_says_so(account: BrokerageAccount, now: datetime) -> None:
    known(account, now)
    assert by_title(preview.examples(Terms(), account, scene(now), now))["Buy"].status == "accepted"
    assert by_title(preview.examples(Terms(auto_submit=False), account, scene(now), now))["Buy"].status == "proposed"


def test_a_rehearsal_of_a_message_says_so_too(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    known(account, now)
    BrokerageAccount.objects.update(book_as_of=now)
    asked = rows.subscription(strategy, account, now, auto_submit=False)
    answer = rehearse(
        strategy, b'{"ticker": "AAPL", "action": "buy", "quantity": 3, "price": 100}', now, ask=False
    ).answers[0]
    assert (answer.subscription, answer.status) == (asked, "proposed")
    assert [line.words for line in answer.orders] == ["buy 3 AAPL market, day"]


def test_what_ibkr_was_never_asked_is_assumed_and_said_and_not_asked(account: BrokerageAccount, now: datetime) -> None:
    shown = preview.examples(Terms(), account, scene(now), now)
    assert shown.notes == ("IBKR was never asked about AAPL here: prices in USD and steps of 0.01 are assumed.",)
    assert shown.unasked == ("AAPL",)
    assert by_title(shown)["Buy"].orders
    future = preview.examples(Terms(), account, scene(now, "MNQ", Kind.FUTURE), now)
    assert {row.note for row in future.rows} == {"IBKR was never asked about MNQ here, so its multiplier is unknown."}
    assert not ContractLookup.objects.exists()
    preview.examples(Terms(), account, scene(now), now, ask=True)
    assert ContractLookup.objects.get().status == ContractLookup.Status.WANTED


def test_what_ibkr_does_not_know_or_we_do_not_trade_is_a_sentence(account: BrokerageAccount, now: datetime) -> None:
    known(account, now, status="unknown", conid=None, reason="IBKR knows no AAPL.")
    assert {row.note for row in preview.examples(Terms(), account, scene(now), now).rows} == {"IBKR knows no AAPL."}
    coins = preview.examples(Terms(), account, scene(now, "BTCUSD", Kind.CRYPTO), now)
    assert "Halyard does not trade crypto pairs at IBKR" in coins.rows[0].note


def test_without_an_account_the_terms_alone_are_shown(now: datetime) -> None:
    assert by_title(preview.examples(Terms(), None, scene(now), now))["Buy"].orders


def test_the_last_signals_follow_one_another_at_their_own_moments(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    known(account, now)
    for number in range(25):
        at = now - timedelta(days=3) + timedelta(minutes=number)
        stored_signal(
            strategy,
            at,
            "buy" if number % 2 == 0 else "exit",
            str(100 + number),
            quantity={"value": "4", "type": "fixed_quantity"},
        )
    shown = preview.last_signals(strategy, Terms(), account, None, now)
    assert len(shown.rows) == 20
    newest, oldest = shown.rows[0], shown.rows[-1]
    assert newest.says == "buy 4 AAPL at 124"
    assert newest.held == "long 4 at 124"
    # The walk begins flat with the oldest of the twenty, which is an exit.
    assert (oldest.says, oldest.code, oldest.held) == ("exit 4 AAPL at 105", "nothing-to-exit", "flat")
    assert [row.status for row in shown.rows].count("accepted") == 19


def test_protection_that_a_later_price_has_passed_is_told(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    known(account, now)
    stored_signal(strategy, now - timedelta(hours=2), "buy", "100", quantity={"value": "4", "type": "fixed_quantity"})
    stored_signal(strategy, now - timedelta(hours=1), "exit", "90")
    shown = preview.last_signals(strategy, Terms(stop_loss=bracket("percent", 5)), account, None, now)
    assert shown.rows[0].met == ("stop loss at 95",)
    assert shown.rows[0].code == "nothing-to-exit"
    assert shown.rows[1].held == "long 4 at 100, stop loss 95"


def test_tests_and_what_was_set_aside_are_left_out(strategy: Strategy, now: datetime) -> None:
    kept = stored_signal(strategy, now, "buy", "1")
    rows.signal(strategy, now, is_test=True)
    rows.signal(strategy, now, set_aside="stale-signal", note="Too old.")
    assert preview.recent(strategy) == [kept]


def test_a_preview_writes_nothing(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    known(account, now)
    stored_signal(strategy, now, "buy", "1", quantity={"value": "4", "type": "fixed_quantity"})
    counts = [model.objects.count() for model in (Decision, Order, Ticket, ContractLookup, Signal)]
    preview.examples(Terms(), account, scene(now), now)
    preview.last_signals(strategy, Terms(), account, scene(now), now)
    assert [model.objects.count() for model in (Decision, Order, Ticket, ContractLookup, Signal)] == counts
