"""Names of options: one for each that is held, whoever has read it, and those that nobody has found."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import contracts, holdings
from brokers.book.options import chains, names
from brokers.domain.brokerage import PositionFacts
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import BrokerageAccount, ContractLookup, Position
from brokers.tests import rows

pytestmark = pytest.mark.django_db
LISTED, OWN, CONID = "SPX 261218C6400", "SPX 261217C6400", 77


def asked(
    account: BrokerageAccount, ticker: str, hours: int = 0, asset_class: str = "option", **values: object
) -> None:
    at = timezone.now() - timedelta(hours=hours)
    ContractLookup.objects.create(
        connection=account.connection, ticker=ticker, asset_class=asset_class, asked_at=at, **values
    )


def shown(account: BrokerageAccount, ticker: str) -> str:
    """The name under which a holding is kept that its list names so."""
    fact = PositionFacts(
        account_id=account.account_id,
        conid=CONID,
        ticker=ticker,
        asset_class="option",
        quantity=Decimal(2),
        average_cost=Decimal(10),
    )
    holdings.refresh(account, positions=[fact], summary=None, as_of=timezone.now())
    return Position.objects.get(account=account).ticker


@pytest.mark.parametrize("known", [[OWN], [LISTED, OWN], [OWN, LISTED]])
@pytest.mark.parametrize("read", [OWN, LISTED])
def test_a_holding_has_one_name_whoever_reads_it(team: Team, known: list[str], read: str) -> None:
    account = rows.account(team)
    for ticker in known:
        asked(account, ticker, status="found", conid=CONID)
    assert shown(account, read) == OWN


def test_what_nobody_has_asked_for_keeps_the_name_of_its_list(team: Team) -> None:
    account = rows.account(team)
    asked(rows.account(team), OWN, status="found", conid=CONID)
    assert shown(account, LISTED) == LISTED


def test_a_holding_and_an_order_under_two_names_are_one_option(team: Team) -> None:
    account = rows.account(team)
    rows.position(account, conid=CONID, ticker=LISTED, asset_class="option", quantity=Decimal(2))
    rows.order(rows.ticket(account), ticker=OWN, asset_class="option", conid=CONID, status="accepted")
    chain = Instrument(ticker="SPX", asset_class=AssetClass.OPTION)
    (held,) = chains.held([(account, chain)])[account.pk, "SPX"]
    assert (held.instrument.ticker, held.quantity, held.works) == (LISTED, Decimal(2), True)


def test_a_name_that_is_none_is_forgotten_after_a_day(team: Team) -> None:
    account = rows.account(team)
    asked(account, "SPY 261218C1", 25, status="unknown")
    asked(account, "SPY 261218C2", 23, status="unknown")
    asked(account, "SPY 261218C3", 25, status="wanted")
    asked(account, "SPY 261218C4", 25, status="unknown", candidates=[])
    asked(account, "SPY 261218C5", 25, status="found", conid=5)
    asked(account, "SPYX", 25, "stock", status="unknown")
    assert names.forget_unknown(timezone.now()) == 1
    assert set(ContractLookup.objects.values_list("ticker", flat=True)) == {
        *(f"SPY 261218C{number}" for number in (2, 3, 4, 5)),
        "SPYX",
    }


def test_many_names_of_options_hold_up_no_other_ticker(team: Team) -> None:
    account = rows.account(team)
    for number in range(1, 61):
        asked(account, f"SPY 261218C{number}", 3)
    asked(account, "AAPL", 2, "stock")
    asked(account, "SPY C +1 weeks out 1", 1, conid=9)
    wanted = [each.ticker for each in contracts.wanted_of(account.connection_id)]
    assert wanted[:5] == ["AAPL", "SPY 261218C1", "SPY C +1 weeks out 1", "SPY 261218C2", "SPY 261218C3"]
    assert len(wanted) == 50
