"""What a rule means is asked again after ten seconds, and nothing of an older answer is kept where none fits now."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import contracts, live_book
from brokers.domain.brokerage import OrderFacts, OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderStatus, Side
from brokers.models import BrokerageAccount, ContractLookup, ForeignOrder
from brokers.protection import foreign
from brokers.tests import rows

pytestmark = pytest.mark.django_db
RULE = Instrument(ticker="SPY C +1 weeks out 2", asset_class=AssetClass.OPTION)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def asked(
    account: BrokerageAccount, ticker: str = RULE.ticker, *, ago: float = 1, answered_ago: float = 1
) -> ContractLookup:
    now = timezone.now()
    return ContractLookup.objects.create(
        connection=account.connection,
        ticker=ticker,
        asset_class="option",
        status="found",
        conid=7,
        increments=[],
        asked_at=now - timedelta(seconds=ago),
        answered_at=now - timedelta(seconds=answered_ago),
    )


@pytest.mark.parametrize(("ago", "answered_ago", "status"), [(12, 11, "wanted"), (12, 5, "found"), (3, 2, "found")])
def test_it_is_believed_for_ten_seconds_from_the_answer_on(
    account: BrokerageAccount, ago: float, answered_ago: float, status: str
) -> None:
    row = asked(account, ago=ago, answered_ago=answered_ago)
    live_book.load([(account, RULE)], timezone.now())
    row.refresh_from_db()
    assert row.status == status


def test_a_rule_that_nothing_fits_any_more_means_nothing(account: BrokerageAccount) -> None:
    row = asked(account, ago=1, answered_ago=1)
    contracts.answer(row, now=timezone.now(), refusal=OrderRefused("No option fits.", code="no-option-fits"))
    row.refresh_from_db()
    assert (row.status, row.reason_code, row.replaced_at) == ("unknown", "no-option-fits", None)


def test_a_chain_is_no_contract_to_ask_about(account: BrokerageAccount) -> None:
    rows.position(account, conid=9, ticker="SPY 261218C640", asset_class="option")
    chain = Instrument(ticker="SPY", asset_class=AssetClass.OPTION)
    book = live_book.load([(account, chain)], timezone.now())
    assert [each.ticker for each in ContractLookup.objects.all()] == ["SPY 261218C640"]
    (held,) = book.held_options[account.pk, "SPY"]
    assert (held.instrument.ticker, held.works) == ("SPY 261218C640", False)


def test_two_rules_that_mean_one_contract_are_both_answered(account: BrokerageAccount) -> None:
    at_the_money = Instrument(ticker="SPY C 2026-12-18 at the money", asset_class=AssetClass.OPTION)
    for ticker in (RULE.ticker, at_the_money.ticker, "SPY 261218C640"):
        asked(account, ticker)
    book = live_book.load([(account, RULE), (account, at_the_money)], timezone.now())
    picked = {key[2]: row.ticker for key, row in book.picked.items()}
    assert picked == {RULE.ticker: "SPY 261218C640", at_the_money.ticker: "SPY 261218C640"}


def test_a_class_share_has_the_options_that_ibkr_lists_without_its_point(account: BrokerageAccount) -> None:
    rows.position(account, conid=9, ticker="BRKB 261218C500", asset_class="option")
    rows.order(account, ticker="BRK.B 261218P480", asset_class="option", conid=10)
    book = live_book.load([(account, Instrument(ticker="BRK.B", asset_class=AssetClass.OPTION))], timezone.now())
    call, put = book.held_options[account.pk, "BRKB"]
    assert (call.instrument.ticker, call.quantity, call.works) == ("BRK.B 261218C500", Decimal(10), False)
    assert (put.instrument.ticker, put.works) == ("BRK.B 261218P480", True)


def test_a_rule_gives_its_name_to_no_order_and_no_contract(account: BrokerageAccount) -> None:
    rule, named = asked(account), asked(account, "SPY 261218C640")
    assert rule.pk < named.pk
    assert ContractLookup.objects.numbered(account.connection_id, 7).get() == named
    fact = OrderFacts(
        account_id=account.account_id,
        broker_order_id="77",
        reference="",
        status=OrderStatus.ACCEPTED,
        conid=7,
        side=Side.SELL,
        quantity=Decimal(1),
        remaining_quantity=Decimal(1),
        asset_class="option",
    )
    foreign.note({account.account_id: account}, [fact], timezone.now())
    assert [order.ticker for order in ForeignOrder.objects.all()] == ["SPY 261218C640"]


def test_the_contract_that_a_rule_means_bears_its_own_name(account: BrokerageAccount) -> None:
    row = asked(account)
    contract = Contract(
        instrument=RULE, conid=8, name="SPY 18 Dec 2026 650 C: second strike out of the money", ticker="SPY 261218C650"
    )
    contracts.answer(row, now=timezone.now(), contract=contract)
    assert ContractLookup.objects.get(ticker="SPY 261218C650").name == "SPY 18 Dec 2026 650 C"
