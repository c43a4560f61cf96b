"""How long a decision waits for IBKR's preview, and what never waits for one."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import previews
from brokers.domain.whatif.figures import Figure, OrderPreview
from brokers.models import BrokerageAccount, ContractLookup, MarginPreview, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db
CONID = 17
WAITING = "IBKR's preview of the margin of MNQ"


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    account = broker_rows.account(team, book_as_of=now, available_funds=Decimal(10_000))
    for ticker in ("MNQ", "MNQZ2026"):
        ContractLookup.objects.create(
            connection=account.connection,
            ticker=ticker,
            asset_class="future",
            status="found",
            conid=CONID,
            multiplier=2,
            exchange="CME",
            asked_at=now,
            answered_at=now,
        )
    return account


@pytest.fixture
def strategy(team: Team, account: BrokerageAccount, now: datetime) -> Strategy:
    strategy = strategies.create_strategy(team=team, actor=None, name="Micros", asset_class=Kind.FUTURE, now=now)
    rows.subscription(strategy, account, now)
    return strategy


def send(strategy: Strategy, now: datetime, action: str = "buy", quantity: int = 1, **more: Any) -> Decision:
    """A signal of now, settled once."""
    reading = {"action": action, "instrument": symbols.read("MNQ1!", Kind.FUTURE, now).canonical(), **more}
    if action in {"buy", "sell"}:
        reading["quantity"] = {"value": str(quantity), "type": "fixed_quantity"}
    signal = rows.signal(strategy, now, reading=reading)
    settle.settle_waiting(now)
    return signal.decisions.get()


def hold(account: BrokerageAccount, now: datetime, quantity: int) -> None:
    broker_rows.position(
        account, quantity=Decimal(quantity), as_of=now, conid=CONID, ticker="MNQZ2026", asset_class="future"
    )


def later(decision: Decision, at: datetime) -> Decision:
    settle.settle_waiting(at)
    decision.refresh_from_db()
    return decision


def answered(initial: str | None, at: datetime, refusal: str = "", *, short: bool = False) -> None:
    figure = None if initial is None else Decimal(initial)
    preview = OrderPreview(initial=Figure(change=figure), refusal=refusal, short=short)
    previews.answer(MarginPreview.objects.get(), preview, at)


def test_an_entry_waits_for_the_preview_and_goes_by_it(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    decision = send(strategy, now, quantity=3)
    assert (decision.status, decision.waiting_for) == ("pending", WAITING)
    question = MarginPreview.objects.get()
    assert (question.account, question.conid, question.side, question.quantity) == (account, CONID, "buy", Decimal(3))
    assert (question.wanted_at, question.as_of) == (now, None)
    answered("9000", now)
    decision = later(decision, now + timedelta(seconds=1))
    assert decision.status == "accepted"
    assert decision.inputs is not None
    assert decision.inputs["assessment"][0]["margin"] == "9001.71"


def test_an_entry_goes_on_without_an_answer_after_three_seconds(strategy: Strategy, now: datetime) -> None:
    decision = send(strategy, now)
    assert later(decision, now + timedelta(seconds=2.9)).status == "pending"
    assert later(decision, now + timedelta(seconds=3)).status == "accepted"
    assert "The margin of MNQ is the exchange's figure of 2022-01-21, too old to refuse by" in decision.reason


@pytest.mark.parametrize(
    ("initial", "refusal", "short", "status"),
    [
        ("9999.43", "", False, "accepted"),
        ("9999.44", "", False, "rejected"),
        (None, "", False, "accepted"),
        (None, "No trading permissions.", False, "accepted"),
        ("100", "IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY MUST EXCEED", True, "rejected"),
        (None, "Available funds are too little", True, "rejected"),
        ("-500", "", False, "accepted"),
        ("0", "", False, "accepted"),
    ],
)
def test_only_a_figure_or_a_refusal_for_want_of_money_refuses(
    strategy: Strategy, now: datetime, initial: str | None, refusal: str, short: bool, status: str
) -> None:
    decision = send(strategy, now)
    answered(initial, now, refusal, short=short)
    decision = later(decision, now + timedelta(seconds=1))
    assert decision.status == status
    if status == "rejected":
        assert (decision.rule, decision.reason_code) == ("R04", "insufficient_buying_power")
        assert decision.reason.endswith("Order less, or add funds.")
        assert not Order.objects.exists()


@pytest.mark.parametrize(("age", "status"), [(0, "accepted"), (300, "accepted"), (301, "pending")])
def test_a_preview_is_believed_for_five_minutes_and_then_asked_for_again(
    strategy: Strategy, account: BrokerageAccount, now: datetime, age: int, status: str
) -> None:
    MarginPreview.objects.create(
        account=account,
        conid=CONID,
        side="buy",
        quantity=1,
        previewed_quantity=1,
        initial=2000,
        as_of=now - timedelta(seconds=age),
        answered_at=now - timedelta(seconds=age),
    )
    assert send(strategy, now, quantity=2).status == status
    assert MarginPreview.objects.get().quantity == (2 if status == "pending" else 1)


def test_a_refusal_is_asked_about_again_at_once(strategy: Strategy, now: datetime) -> None:
    decision = send(strategy, now)
    answered("20000", now, "Your equity must exceed the initial margin", short=True)
    assert later(decision, now).status == "rejected"
    at = now + timedelta(seconds=11)
    BrokerageAccount.objects.update(book_as_of=at)
    assert send(strategy, at).status == "pending"
    assert MarginPreview.objects.get().wanted_at == at


@pytest.mark.parametrize(("age", "status"), [(0, "accepted"), (60, "accepted"), (61, "pending")])
def test_who_gave_no_answer_is_left_alone_for_a_minute(
    strategy: Strategy, account: BrokerageAccount, now: datetime, age: int, status: str
) -> None:
    MarginPreview.objects.create(
        account=account, conid=CONID, side="buy", quantity=1, answered_at=now - timedelta(seconds=age)
    )
    assert send(strategy, now).status == status


@pytest.mark.parametrize("more", [{"action": "exit"}, {"action": "sell"}, {"action": "buy", "sentiment": "flat"}])
def test_no_way_out_waits_for_a_preview(
    strategy: Strategy, account: BrokerageAccount, now: datetime, more: dict[str, Any]
) -> None:
    hold(account, now, 1)
    decision = send(strategy, now, **more)
    assert (decision.status, decision.waiting_for) == ("accepted", "")
    assert not MarginPreview.objects.exists()


def test_a_reversal_waits_for_no_preview_since_its_first_half_is_a_way_out(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    hold(account, now, 1)
    decision = send(strategy, now, "reverse")
    assert decision.status == "accepted"
    assert not MarginPreview.objects.exists()
    assert [order.role for order in Order.objects.order_by("pk")] == ["exit", "entry"]


@pytest.mark.parametrize("more", [{"action": "exit", "sentiment": "flat"}, {"action": "sell"}, {"action": "cancel"}])
def test_a_way_out_behind_an_entry_that_waits_ends_its_wait(
    strategy: Strategy, account: BrokerageAccount, now: datetime, more: dict[str, Any]
) -> None:
    entry = send(strategy, now)
    assert entry.status == "pending"
    behind = send(strategy, now + timedelta(milliseconds=100), **more)
    soon = now + timedelta(milliseconds=200)
    entry, behind = later(entry, soon), later(behind, soon)
    assert entry.status != "pending"
    assert WAITING not in behind.waiting_for


def test_an_entry_behind_an_entry_waits_for_the_same_preview(strategy: Strategy, now: datetime) -> None:
    send(strategy, now)
    behind = send(strategy, now + timedelta(milliseconds=100))
    assert behind.status == "pending"
    assert MarginPreview.objects.get().wanted_at == now


def test_a_signal_that_would_be_too_late_afterwards_does_not_wait(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    soon = (now + timedelta(seconds=3)).isoformat()
    assert send(strategy, now, expires_at=soon).status == "accepted"


def test_a_stock_asks_for_no_preview(team: Team, account: BrokerageAccount, now: datetime) -> None:
    stocks = rows.strategy(team, now, "Stocks")
    rows.subscription(stocks, account, now)
    ContractLookup.objects.create(
        connection=account.connection, ticker="AAPL", asset_class="stock", status="found", conid=265598, increments=[]
    )
    signal = rows.signal(stocks, now)
    settle.settle_waiting(now)
    assert signal.decisions.get().status == "accepted"
    assert not MarginPreview.objects.exists()
