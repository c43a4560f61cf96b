"""After a roll: a continuous name stands for another month than the one that is held."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import contracts, previews
from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies import inputs
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Rejection
from strategies.models import Decision, Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db

OLD, FRONT, LATER = 1, 2, 3
MONTHS = {OLD: "MNQZ2026", FRONT: "MNQH2027", LATER: "MNQM2027"}


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose book is fresh, and whose connection knows that MNQ is the March contract by now."""
    made = broker_rows.account(team, book_as_of=now)
    known = {"connection": made.connection, "asset_class": "future", "status": "found", "answered_at": now}
    for conid, ticker in MONTHS.items():
        ContractLookup.objects.create(conid=conid, ticker=ticker, multiplier=2, exchange="CME", **known)
    ContractLookup.objects.create(conid=FRONT, ticker="MNQ", multiplier=2, exchange="CME", asked_at=now, **known)
    ContractLookup.objects.create(conid=LATER, ticker="MNQ2!", multiplier=2, exchange="CME", asked_at=now, **known)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return strategies.create_strategy(team=team, actor=None, name="Futures", asset_class=Kind.FUTURE, now=now)


def hold(account: BrokerageAccount, now: datetime, conid: int, quantity: int = 2) -> None:
    broker_rows.position(
        account, quantity=Decimal(quantity), as_of=now, conid=conid, ticker=MONTHS[conid], asset_class="future"
    )


def decided(strategy: Strategy, now: datetime, action: str, ticker: str = "MNQ1!", **more: Any) -> Decision:
    symbol = symbols.read(ticker, Kind.FUTURE, now)
    reading = {"action": action, "instrument": symbol.canonical(), **more}
    signal = rows.signal(strategy, now, reading=reading)
    settle.settle_waiting(now)
    # Nobody answers for IBKR here, so an entry goes on without its preview.
    settle.settle_waiting(now + previews.WAITED_FOR)
    return signal.decisions.get()


def orders(decision: Decision) -> list[tuple[Any, ...]]:
    rows_of_plan = Order.objects.filter(ticket=decision.ticket).order_by("pk")
    return [(order.conid, order.ticker, order.side, order.quantity) for order in rows_of_plan]


@pytest.mark.parametrize("ticker", ["MNQ", "MNQ1!"])
def test_an_exit_finds_the_month_that_is_held(
    strategy: Strategy, account: BrokerageAccount, now: datetime, ticker: str
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, OLD)
    decision = decided(strategy, now, "exit", ticker)
    assert orders(decision) == [(OLD, "MNQZ2026", "sell", 2)]
    assert decision.reason == "Exit all 2 contracts of MNQZ2026 held long."


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("sell", {"sentiment": "flat"}),
        ("sell", {}),
        ("sell", {"target_quantity": "0"}),
        ("sell", {"sentiment": "bearish"}),
    ],
)
def test_so_does_every_other_way_out(
    strategy: Strategy, account: BrokerageAccount, now: datetime, action: str, more: dict[str, Any]
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, OLD)
    assert orders(decided(strategy, now, action, **more)) == [(OLD, "MNQZ2026", "sell", 2)]


@pytest.mark.parametrize("action", ["sell", "reverse"])
def test_a_flip_leaves_the_old_month_and_opens_nothing_in_it(
    strategy: Strategy, account: BrokerageAccount, now: datetime, action: str
) -> None:
    rows.subscription(strategy, account, now, allow_swap=True)
    hold(account, now, OLD)
    decision = decided(strategy, now, action, quantity={"value": "2", "type": "fixed_quantity"})
    assert orders(decision) == [(OLD, "MNQZ2026", "sell", 2)]
    assert "No entry follows: MNQZ2026 is held, and MNQ stands for a later month now" in decision.reason


@pytest.mark.parametrize("action", ["buy", "add"])
def test_nothing_is_opened_beside_the_month_that_is_held(
    strategy: Strategy, account: BrokerageAccount, now: datetime, action: str
) -> None:
    rows.subscription(strategy, account, now, allow_add=True)
    hold(account, now, OLD)
    decision = decided(strategy, now, action)
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "D53", "position-in-another-month")
    assert decision.inputs is not None
    again = inputs.decide_again(decision.inputs)
    assert isinstance(again, Rejection)
    assert again.reason == decision.reason
    # The advice works.
    assert '{"ticker": "MNQZ2026", "action": "exit"}' in decision.reason
    assert orders(decided(strategy, now, "exit", "MNQZ2026")) == [(OLD, "MNQZ2026", "sell", 2)]


def test_without_adding_it_is_the_position_that_is_open(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, OLD)
    assert decided(strategy, now, "buy").reason_code == "position-already-open"


def test_a_working_order_of_the_old_month_is_found_and_canceled(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    # It was placed by the continuous name, before the roll.
    ticket = broker_rows.ticket(account)
    order = broker_rows.order(
        ticket, conid=OLD, ticker="MNQ", asset_class="future", status="accepted", type="limit", limit_price=Decimal(1)
    )
    assert decided(strategy, now, "buy").reason_code == "position-in-another-month"
    decision = decided(strategy, now, "cancel")
    assert decision.reason == "Cancel the working order in MNQZ2026."
    assert decision.ticket is not None
    assert [each["reference"] for each in decision.ticket.cancels] == [order.reference]


def test_an_exit_of_the_month_on_the_chart_names_what_it_leaves(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, OLD)
    hold(account, now, FRONT, 1)
    decision = decided(strategy, now, "exit")
    assert orders(decision) == [(FRONT, "MNQ", "sell", 1)]
    assert decision.reason.endswith('MNQZ2026 stays: send {"ticker": "MNQZ2026", "action": "exit"} to close it.')


def test_a_month_ahead_of_the_chart_is_named_and_not_closed(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, LATER)
    decision = decided(strategy, now, "exit")
    assert (decision.rule, decision.reason_code) == ("B03", "other-month-held")
    assert '2 MNQM2027 (long). Name the month: {"ticker": "MNQM2027", "action": "exit"}.' in decision.reason
    # It keeps nobody from opening one on the chart.
    assert orders(decided(strategy, now, "buy", quantity={"value": "1", "type": "fixed_quantity"}))[0][0] == FRONT


def test_of_several_months_none_is_closed_on_a_guess(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    ContractLookup.objects.create(
        connection=account.connection, conid=9, ticker="MNQU2026", asset_class="future", status="found"
    )
    hold(account, now, OLD)
    broker_rows.position(account, quantity=Decimal(-1), as_of=now, conid=9, ticker="MNQU2026", asset_class="future")
    decision = decided(strategy, now, "exit")
    assert decision.reason_code == "other-month-held"
    assert "1 MNQU2026 (short), 2 MNQZ2026 (long)" in decision.reason


def test_the_second_month_of_a_chart_never_means_the_first(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, FRONT)
    assert decided(strategy, now, "exit", "MNQ2!").reason_code == "other-month-held"
    assert (
        orders(decided(strategy, now, "buy", "MNQ2!", quantity={"value": "1", "type": "fixed_quantity"}))[0][0] == LATER
    )


def test_the_month_of_another_product_or_account_is_nobodys_business(
    strategy: Strategy, account: BrokerageAccount, now: datetime, team: Team
) -> None:
    rows.subscription(strategy, account, now)
    broker_rows.position(account, quantity=Decimal(2), as_of=now, conid=7, ticker="NQZ2026", asset_class="future")
    broker_rows.position(account, quantity=Decimal(2), as_of=now, conid=8, ticker="MNQZ2026", asset_class="stock")
    assert decided(strategy, now, "exit").reason_code == "nothing-to-exit"


def test_a_dated_name_means_its_month(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    hold(account, now, OLD)
    assert decided(strategy, now, "exit", "MNQH2027").reason_code == "nothing-to-exit"


def test_a_month_nobody_asked_about_is_asked_for_first(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    ContractLookup.objects.filter(ticker="MNQZ2026").delete()
    hold(account, now, OLD)
    decision = decided(strategy, now, "exit")
    assert (decision.status, decision.waiting_for) == ("pending", "IBKR's contract for MNQZ2026")
    lookup = ContractLookup.objects.get(ticker="MNQZ2026")
    month = Instrument(ticker="MNQZ2026", asset_class=AssetClass.FUTURE)
    contracts.answer(lookup, now=now, contract=Contract(instrument=month, conid=OLD, ticker="MNQZ2026"))
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert orders(decision) == [(OLD, "MNQZ2026", "sell", 2)]


def test_what_a_continuous_name_stands_for_is_kept_under_its_own_name(account: BrokerageAccount, now: datetime) -> None:
    ContractLookup.objects.all().delete()
    root = Instrument(ticker="GC", asset_class=AssetClass.FUTURE)
    lookup = ContractLookup.objects.create(connection=account.connection, ticker="GC", asset_class="future")
    for conid, ticker in ((5, "GCZ2026"), (6, "GCG2027"), (6, "GCG2027")):
        contracts.answer(lookup, now=now, contract=Contract(instrument=root, conid=conid, ticker=ticker))
    known = set(ContractLookup.objects.values_list("ticker", "conid", "status"))
    assert known == {("GC", 6, "found"), ("GCZ2026", 5, "found"), ("GCG2027", 6, "found")}


def test_a_root_whose_month_is_asked_for_says_so_with_its_own_code(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    decision = decided(strategy, now, "buy", "XYZ1!")
    lookup = ContractLookup.objects.get(ticker="XYZ")
    contracts.answer(
        lookup, now=now, refusal=OrderRefused("Name one that is listed: XYZZ2026.", "contract-month-needed")
    )
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert (decision.rule, decision.reason_code) == ("B01", "contract-month-needed")
    assert decision.reason == "Name one that is listed: XYZZ2026."
