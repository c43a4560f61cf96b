"""Shares listed abroad, from the chart's prefix to an order: the right contract, in its own currency, never as dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.models import BrokerageAccount, ContractLookup, ExchangeRate, Order, Position
from brokers.tests import lab
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
SAP, SAP_US = 880_000_000, 900_000_289
FREIGHT, AIRBUS = 880_000_003, 880_000_002


def decided(
    strategy: Strategy, ticker: str, action: str = "buy", quantity: int = 10, kind: str = "fixed_quantity"
) -> Decision:
    """The decision on a signal that names the ticker as its chart does."""
    facts = symbols.read(ticker, Kind.STOCK, timezone.now()).canonical()
    sent: dict[str, Any] = {"action": action, "instrument": facts}
    if action == "buy":
        sent["quantity"] = {"value": str(quantity), "type": kind}
    rows.signal(strategy, timezone.now(), reading=sent)
    for _ in range(5):
        BrokerageAccount.objects.update(book_as_of=timezone.now())
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


def test_a_signal_of_xetra_buys_the_listing_of_xetra_in_euros(bench: lab.Lab, strategy: Strategy) -> None:
    decision = decided(strategy, "XETR:SAP", quantity=4)
    assert decision.status == "accepted", decision.reason
    order = Order.objects.get()
    assert (order.conid, order.ticker, order.currency) == (SAP, "XETR:SAP", "EUR")
    assert [(row["conid"], row["side"]) for row in bench.at_broker()] == [(SAP, "BUY")]
    lookup = ContractLookup.objects.get(conid=SAP)
    assert (lookup.exchange, lookup.currency, lookup.tick, lookup.name) == ("IBIS", "EUR", Decimal("0.02"), "SAP SE")
    # The same symbol without its exchange is the share of New York.
    assert decided(strategy, "SAP", quantity=4).status == "accepted"
    assert Order.objects.latest("pk").conid == SAP_US


def test_its_margin_is_counted_at_ibkrs_rate(bench: lab.Lab, strategy: Strategy) -> None:
    decided(strategy, "XETR:SAP", quantity=100)
    rate = ExchangeRate.objects.get(source="EUR", target="USD").rate
    inputs = Decision.objects.get().inputs
    assert inputs is not None
    estimate = inputs["assessment"][0]
    assert rate is not None
    assert rate > 1
    needed, price = Decimal(estimate["margin"]), Decimal(estimate["price"])
    assert estimate["currency"] == "USD"
    assert needed == (100 * price * rate / 2).quantize(Decimal("0.01"))
    assert "No fee of XETR:SAP is on record here" in estimate["sentence"]


def test_an_amount_of_money_is_turned_into_its_currency(bench: lab.Lab, strategy: Strategy) -> None:
    decided(strategy, "XETR:SAP", quantity=10_000, kind="dollar_amount")
    rate = ExchangeRate.objects.get(source="EUR", target="USD").rate
    assert rate is not None
    lookup = ContractLookup.objects.get(conid=SAP)
    assert lookup.bid is not None
    assert lookup.ask is not None
    euros = Decimal(10_000) / rate
    assert abs(Order.objects.get().quantity - euros / ((lookup.bid + lookup.ask) / 2)) <= 2


def test_without_a_rate_nothing_is_opened(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.fault(
        match={"user": bench.user, "path": "/iserver/exchangerate"}, action={"status": 200, "body": {}}, times=9
    )
    decision = decided(strategy, "XETR:SAP", quantity=4)
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "S08", "no-exchange-rate")
    assert "from EUR to USD" in decision.reason
    assert bench.posts() == []
    # A way out needs none.
    broker.position(bench.account, conid=SAP, ticker="SAP", currency="EUR", quantity=Decimal(4))
    assert decided(strategy, "XETR:SAP", "exit").status == "accepted"
    assert Order.objects.get().conid == SAP


def test_what_the_account_cannot_carry_is_refused_in_its_own_currency(bench: lab.Lab, strategy: Strategy) -> None:
    # 450 shares at about 245 EUR are more than 100,000 USD of margin at half, and less than that in euros.
    BrokerageAccount.objects.update(available_funds=57_000)
    decision = decided(strategy, "XETR:SAP", quantity=450)
    assert (decision.rule, decision.reason_code) == ("R04", "insufficient_buying_power"), decision.reason
    assert bench.posts() == []


def test_two_companies_of_euronext_are_chosen_between(bench: lab.Lab, strategy: Strategy) -> None:
    decision = decided(strategy, "EURONEXT:AIR", quantity=1)
    assert (decision.rule, decision.reason_code) == ("B01", "ambiguous-symbol")
    found = ContractLookup.objects.get(ticker="EURONEXT:AIR").candidates
    assert {(each["conid"], each["exchange"], each["currency"]) for each in found or ()} == {
        (AIRBUS, "SBF", "EUR"),
        (FREIGHT, "AEB", "EUR"),
    }
    assert decided(strategy, "EURONEXTPAR:AIR", quantity=1).status == "accepted"
    assert Order.objects.get().conid == AIRBUS


@pytest.mark.parametrize(
    ("ticker", "currency", "tick"),
    [
        ("SIX:NOVN", "CHF", "0.01"),
        ("TSX:SHOP", "CAD", "0.01"),
        ("ASX:BHP", "AUD", "0.01"),
        ("HKEX:700", "HKD", "0.2"),
        ("TSE:7203", "JPY", "1"),
    ],
)
def test_each_exchange_has_its_currency_and_its_steps(
    bench: lab.Lab, strategy: Strategy, ticker: str, currency: str, tick: str
) -> None:
    # Tokyo and Hong Kong trade in lots of a hundred.
    assert decided(strategy, ticker, quantity=100).status == "accepted"
    lookup = ContractLookup.objects.get(ticker=ticker)
    assert (lookup.currency, lookup.tick) == (currency, Decimal(tick))
    assert Order.objects.get().conid == lookup.conid
    assert not Position.objects.exists()
