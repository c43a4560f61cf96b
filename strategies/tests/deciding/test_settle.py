"""Load, decide, save: from a stored signal to a ticket, a batch a transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.models import Team
from brokers.book import contracts, quotes, rates
from brokers.domain.brokerage import OrderFacts, OrderRefused
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument, OrderStatus
from brokers.models import BrokerageAccount, ContractLookup, ExchangeRate, Execution, Order, Ticket
from brokers.orders import reconciliation
from brokers.tests import rows as broker_rows
from strategies import inputs
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan
from strategies.models import Decision, Signal, Strategy
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose book is fresh and whose connection knows AAPL."""
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def test_a_signal_becomes_a_decision_a_ticket_and_an_order(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    subscription = rows.subscription(strategy, account, now)
    signal = rows.signal(strategy, now)
    assert settle.settle_waiting(now) == 1
    decision = signal.decisions.get()
    assert (decision.status, decision.rule, decision.reason) == ("accepted", "D01", "Open long with 10 shares of AAPL.")
    assert decision.terms == subscription.terms
    assert decision.ticket is not None
    assert decision.ticket.key == decision.code
    order = decision.ticket.orders.get()
    assert (order.side, order.quantity, order.conid, order.status) == ("buy", Decimal(10), 265598, "created")
    assert order.expires_at == now + timedelta(seconds=60)
    signal.refresh_from_db()
    assert signal.dispatched_at == now


def test_nothing_is_decided_before_it_came(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    """Of two signals the second comes while the first is settled: it is decided after it came, not at the first's moment.
    Its rows say when they were written, not when the book was opened for them."""
    rows.subscription(strategy, account, now)
    arrives = now + timedelta(milliseconds=200)
    signal = rows.signal(strategy, arrives)
    moments = iter([arrives, arrives, *(arrives + timedelta(milliseconds=each) for each in (3, 17, 21))])
    assert settle.settle_waiting(now, clock=lambda: next(moments)) == 1
    decision, written = Decision.objects.get(), arrives + timedelta(milliseconds=17)
    assert decision.decided_at == written
    assert decision.ticket is not None
    assert decision.ticket.queued_at == written
    assert decision.ticket.orders.get().created_at == written
    signal.refresh_from_db()
    assert signal.dispatched_at == arrives + timedelta(milliseconds=21)


def test_settling_twice_decides_once(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert settle.settle_waiting(now) == 0
    assert (Decision.objects.count(), Order.objects.count()) == (1, 1)


def test_every_enabled_subscription_decides_for_itself(
    team: Team, strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    other = broker_rows.account(team, book_as_of=now)
    knows(other.connection, now)
    off = broker_rows.account(team, book_as_of=now)
    rows.subscription(strategy, account, now)
    rows.subscription(strategy, other, now, quantity=Decimal(3))
    switched_off = rows.subscription(strategy, off, now)
    switched_off.enabled = False
    switched_off.save()
    rows.signal(strategy, now, reading=reading(quantity=None))
    settle.settle_waiting(now)
    by_account = {decision.subscription.account_id: decision for decision in Decision.objects.all()}
    assert set(by_account) == {account.pk, other.pk}
    assert by_account[account.pk].reason_code == "quantity-required"
    assert by_account[other.pk].status == "accepted"


def test_a_symbol_the_broker_does_not_know_is_rejected_with_its_sentence(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    signal = rows.signal(strategy, now, reading=reading(ticker="XYZQ"))
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.waiting_for) == ("pending", "IBKR's contract for XYZQ")
    lookup = ContractLookup.objects.get(ticker="XYZQ")
    contracts.answer(
        lookup, now=now, refusal=OrderRefused("IBKR knows no US stock with the symbol XYZQ.", "unknown-symbol")
    )
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "B01", "unknown-symbol")
    assert decision.reason == "IBKR knows no US stock with the symbol XYZQ."
    assert Ticket.objects.count() == 0


def test_a_found_contract_lets_the_waiting_decision_go_on(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now, reading=reading(ticker="MSFT"))
    settle.settle_waiting(now)
    contracts.answer(
        ContractLookup.objects.get(ticker="MSFT"),
        now=now,
        contract=Contract(instrument=Instrument(ticker="MSFT"), conid=272093),
    )
    settle.settle_waiting(now)
    assert Order.objects.get().conid == 272093


def test_a_stale_book_is_never_read_as_no_position(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    signal = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    late = now + timedelta(seconds=601)
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=now - timedelta(seconds=91))
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.waiting_for) == ("pending", "a fresh look at the account's positions")
    settle.settle_waiting(late)
    decision.refresh_from_db()
    assert (decision.status, decision.reason_code) == ("rejected", "waited-too-long")


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("read", "since", "heard", "waits"),
    [
        (5, None, None, False),
        (6, None, None, True),
        (6, 60, 5, False),
        (89, 90, 0, False),
        (91, 100, 0, True),
        (6, 60, 6, True),
        (6, 60, None, True),
        # The stream was opened after the read: nobody saw what happened between the two.
        (6, 3, 0, True),
        (6, None, 0, True),
    ],
)
def test_a_decision_goes_by_the_live_book_while_its_stream_lives_and_has_ibkr_read_otherwise(
    strategy: Strategy,
    account: BrokerageAccount,
    now: datetime,
    read: int,
    since: int | None,
    heard: int | None,
    waits: bool,
) -> None:
    rows.subscription(strategy, account, now)
    BrokerageAccount.objects.update(book_as_of=now - read * SECOND)
    account.connection.__class__.objects.update(
        stream_since=None if since is None else now - since * SECOND,
        stream_heard_at=None if heard is None else now - heard * SECOND,
    )
    signal = rows.signal(strategy, now)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    account.refresh_from_db()
    expected = ("pending", "a fresh look at the account's positions", now) if waits else ("accepted", "", None)
    assert (decision.status, decision.waiting_for, account.book_wanted_at) == expected


def test_an_operator_chooses_how_young_a_sign_of_life_has_to_be(
    strategy: Strategy, account: BrokerageAccount, now: datetime, settings: Any
) -> None:
    rows.subscription(strategy, account, now)
    BrokerageAccount.objects.update(book_as_of=now - 8 * SECOND)
    signal = rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert signal.decisions.get().status == "pending"
    settings.STREAM_PROOF_SECONDS = 8
    settle.settle_waiting(now)
    assert signal.decisions.get().status == "accepted"


def test_a_look_is_asked_for_once_in_ten_seconds(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    BrokerageAccount.objects.update(book_as_of=now - 8 * SECOND)
    rows.signal(strategy, now)
    for seconds, asked in ((0, 0), (9, 0), (11, 11)):
        settle.settle_waiting(now + seconds * SECOND)
        account.refresh_from_db()
        assert account.book_wanted_at == now + asked * SECOND


def test_an_exit_waits_while_a_fill_may_or_may_not_be_in_the_position(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now, allow_add=True)
    broker_rows.position(account, quantity=Decimal(10), as_of=now)
    order = broker_rows.order(account, status="filled", filled_quantity=Decimal(10))
    broker_rows.execution(order, seen_at=now + timedelta(milliseconds=5))
    leaving = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert leaving.decisions.get().waiting_for == "the position after the last fill"
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=now + timedelta(milliseconds=9))
    settle.settle_waiting(now)
    decision = leaving.decisions.get()
    assert (decision.status, decision.reason) == ("accepted", "Exit all 10 shares of AAPL held long.")


def test_what_is_the_same_with_and_without_a_fill_need_not_wait(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now, allow_add=True)
    broker_rows.position(account, quantity=Decimal(10), as_of=now)
    order = broker_rows.order(account, status="filled", filled_quantity=Decimal(10))
    broker_rows.execution(order, seen_at=now + timedelta(milliseconds=5))
    adding = rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert adding.decisions.get().status == "accepted"


def test_two_exits_in_one_batch_never_sell_more_than_is_held(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    broker_rows.position(account, quantity=Decimal(10), as_of=now)
    for _ in range(2):
        rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    first, second = Decision.objects.order_by("pk")
    assert first.status == "accepted"
    assert (second.status, second.waiting_for) == ("pending", "the order before it to settle")
    assert Order.objects.get().quantity == 10


def test_a_poisonous_signal_stops_nobody_but_itself(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    poison = rows.signal(strategy, now, reading={"action": "buy"})
    good = rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert good.decisions.get().status == "accepted"
    poison.refresh_from_db()
    assert poison.dispatched_at == now
    assert "not traded" in poison.note


@pytest.mark.parametrize("error", [OperationalError("the connection is lost"), PoolTimeout("no connection in time")])
def test_a_signal_waits_where_the_database_failed_and_not_the_signal(
    strategy: Strategy, account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rows.subscription(strategy, account, now)
    signals = [rows.signal(strategy, now) for _ in range(3)]
    tried: list[int | None] = []

    def fails(*_: object, only: int | None = None, **__: object) -> tuple[int, int]:
        tried.append(only)
        raise error

    monkeypatch.setattr(settle, "settle_signals", fails)
    assert settle.settle_waiting(now) == 0
    # Together, and then two alone: the third one is not even tried while the database fails.
    assert tried == [None, signals[0].pk, signals[1].pk]
    assert not Signal.objects.exclude(dispatched_at=None, note="").exists()
    monkeypatch.undo()
    settle.settle_waiting(now)
    # Those behind the first wait for it, as they would have without the failure.
    assert [signal.decisions.get().status for signal in signals] == ["accepted", "pending", "pending"]


def test_a_decision_waits_where_the_database_failed_and_not_the_decision(
    strategy: Strategy, account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now, reading=reading("buy", ticker="XYZQ"))
    settle.settle_waiting(now)

    def fails(*_: object, **__: object) -> int:
        raise InterfaceError("the connection is closed")

    for name in ("settle_pending", "settle_one"):
        monkeypatch.setattr(settle, name, fails)
    assert settle.settle_waiting(now) == 0
    assert Decision.objects.get().status == "pending"


@pytest.mark.parametrize("ticker", ["ES", "ES2!", "ESZ2026"])
def test_what_a_futures_name_stands_for_is_asked_again_each_day(
    team: Team, account: BrokerageAccount, now: datetime, ticker: str
) -> None:
    futures = strategies.create_strategy(team=team, actor=None, name="Futures", asset_class=Kind.FUTURE, now=now)
    rows.subscription(futures, account, now)
    lookup = knows(account.connection, now, ticker, 1)
    ContractLookup.objects.filter(pk=lookup.pk).update(asset_class="future", asked_at=now - timedelta(days=1))
    symbol = symbols.read(ticker, Kind.FUTURE, now)
    rows.signal(futures, now, reading={"action": "buy", "instrument": symbol.canonical()})
    settle.settle_waiting(now)
    lookup.refresh_from_db()
    assert lookup.status == "wanted"


def test_a_signal_nobody_follows_is_done_at_once(strategy: Strategy, now: datetime) -> None:
    signal = rows.signal(strategy, now)
    settle.settle_waiting(now)
    signal.refresh_from_db()
    assert signal.dispatched_at == now


def test_a_decision_can_be_replayed_from_what_it_saw(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now, allow_add=True)
    broker_rows.position(account, quantity=Decimal(4), as_of=now)
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    decision = Decision.objects.get()
    assert decision.inputs is not None
    again = inputs.decide_again(decision.inputs)
    assert isinstance(again, Plan)
    order = Order.objects.get()
    assert (again.rule, again.reason) == (decision.rule, decision.reason)
    assert (again.intents[0].side, again.intents[0].quantity) == (order.side, order.quantity)


def test_a_hundred_signals_are_settled_with_a_handful_of_queries(
    strategy: Strategy, account: BrokerageAccount, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows.subscription(strategy, account, now, allow_add=True)
    for _ in range(100):
        rows.signal(strategy, now)
    with django_assert_max_num_queries(30):
        assert settle.settle_waiting(now) == 100
    assert Order.objects.count() == 100
    assert Execution.objects.count() == 0


def test_an_order_carries_its_estimated_fee_and_the_decision_what_it_needs(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(available_funds=Decimal(25000))
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now, reading={**reading(), "signal_price": "231"})
    settle.settle_waiting(now)
    decision = Decision.objects.get()
    assert decision.inputs is not None
    [estimate] = decision.inputs["assessment"]
    assert estimate["sentence"] == "Estimated fee 1.00 USD; margin needed 1,156.00 USD of 25,000.00 available."
    assert (estimate["price"], estimate["price_from"], estimate["tables"]) == ("231", "signal", "seed-2026-08-21")
    assert Order.objects.get().estimated_fee == 1


def test_an_entry_that_the_account_cannot_carry_is_rejected_with_the_figures(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(available_funds=Decimal(900))
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now, reading={**reading(), "signal_price": "231"})
    settle.settle_waiting(now)
    decision = Decision.objects.get()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "R04", "insufficient_buying_power")
    assert decision.reason == (
        "Margin needed 1,156.00 USD of 900.00 available. That is a buying power of 1,800.00 USD for shares. "
        "Order less, or add funds."
    )
    assert Order.objects.count() == 0


def test_ibkrs_own_buying_power_is_shared_by_the_orders_of_one_batch(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    # Each order is worth 2,310 and needs 1,156 of margin; overnight 1,000 are carried, today 5,000 of value are.
    BrokerageAccount.objects.filter(pk=account.pk).update(available_funds=Decimal(500), buying_power=Decimal(5_000))
    rows.subscription(strategy, account, now, allow_add=True)
    for _ in range(3):
        rows.signal(strategy, now, reading={**reading(), "signal_price": "231"})
    settle.settle_waiting(now)
    assert list(Decision.objects.order_by("pk").values_list("status", flat=True)) == [
        "accepted",
        "accepted",
        "rejected",
    ]


def test_the_orders_of_one_batch_share_the_funds(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(available_funds=Decimal(2500))
    rows.subscription(strategy, account, now, allow_add=True)
    for _ in range(3):
        rows.signal(strategy, now, reading={**reading(), "signal_price": "231"})
    settle.settle_waiting(now)
    assert [decision.status for decision in Decision.objects.order_by("pk")] == ["accepted", "accepted", "rejected"]
    assert "of 188.00 available" in Decision.objects.get(status="rejected").reason


def test_an_exit_waits_longer_for_its_book_than_an_entry(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=None)
    rows.subscription(strategy, account, now)
    for action in ("buy", "exit"):
        rows.signal(strategy, now, reading=reading(action))
    settle.settle_waiting(now)
    settle.settle_waiting(now + timedelta(seconds=60))
    assert [each.status for each in Decision.objects.order_by("pk")] == ["rejected", "pending"]
    settle.settle_waiting(now + timedelta(seconds=600))
    assert {each.reason_code for each in Decision.objects.all()} == {"waited-too-long"}


def test_a_plan_that_no_longer_fits_is_made_again(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    broker_rows.position(account, quantity=Decimal(10), as_of=now)
    stop = broker_rows.order(
        account,
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=Decimal(90),
        status="accepted",
        broker_order_id="77",
    )
    signal = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert signal.decisions.get().status == "accepted"
    # Four of the stop fill before IBKR has canceled the rest: an exit of ten would open a short.
    facts = OrderFacts(
        account_id=account.account_id,
        broker_order_id="77",
        reference=stop.reference,
        status=OrderStatus.CANCELED,
        filled_quantity=Decimal(4),
        average_price=Decimal(90),
    )
    reconciliation.apply(account.connection, orders=[facts], now=now)
    exit_order = Order.objects.get(role="exit")
    assert exit_order.status == "canceled"
    assert exit_order.reason.startswith(
        "Not sent: 4 of the order to sell 10 AAPL were filled before it could be changed"
    )
    account.positions.update(quantity=6)
    settle.settle_waiting(now)
    first, second = signal.decisions.order_by("pk")
    assert (first.status, first.attempt, second.status, second.attempt) == ("accepted", 1, "accepted", 2)
    assert [order.quantity for order in Order.objects.filter(role="exit", status="created")] == [6]
    assert not Ticket.objects.filter(unfit_at__isnull=False).exists()


@pytest.mark.parametrize("terms", [{"spread_percent": Decimal(1)}, {"collar_percent": Decimal(5)}])
def test_a_filter_that_only_quotes_can_pass_waits_for_one(
    strategy: Strategy,
    account: BrokerageAccount,
    now: datetime,
    terms: dict[str, Any],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rows.subscription(strategy, account, now, **terms)
    signal = rows.signal(strategy, now)
    with django_capture_on_commit_callbacks(execute=True):
        settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.waiting_for) == ("pending", "a fresh quote of AAPL")
    lookup = ContractLookup.objects.get()
    assert lookup.quote_wanted_at == now
    quotes.answer(lookup, Quote(bid=Decimal(99), ask=Decimal(101), last=Decimal(100), as_of=now), now)
    settle.settle_waiting(now)
    decision.refresh_from_db()
    expected = ("rejected", "bid-ask-spread-filter-exceeded") if "spread_percent" in terms else ("accepted", "")
    assert (decision.status, decision.reason_code) == expected


def test_a_quote_that_does_not_come_holds_nobody_up(
    strategy: Strategy,
    account: BrokerageAccount,
    now: datetime,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rows.subscription(strategy, account, now, spread_percent=Decimal(1))
    signal = rows.signal(strategy, now)
    for seconds, status in ((0, "pending"), (2, "pending"), (3, "accepted")):
        with django_capture_on_commit_callbacks(execute=True):
            settle.settle_waiting(now + timedelta(seconds=seconds))
        assert signal.decisions.get().status == status


def test_a_size_in_another_currency_waits_for_its_rate(
    strategy: Strategy,
    account: BrokerageAccount,
    now: datetime,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ContractLookup.objects.update(currency="EUR")
    rows.subscription(strategy, account, now, quantity=Decimal(1000), quantity_type="dollar_amount")
    fields = {**{name: value for name, value in reading().items() if name != "quantity"}, "signal_price": "100"}
    signal = rows.signal(strategy, now, reading=fields)
    with django_capture_on_commit_callbacks(execute=True):
        settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.waiting_for) == ("pending", "IBKR's rate from EUR to USD")
    rates.answer(ExchangeRate.objects.get(), Decimal("1.25"), now)
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert (decision.status, Order.objects.get().quantity) == ("accepted", Decimal(8))
