"""What of an account's cash is settled: kept as IBKR shows it, by either way."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.book import holdings
from brokers.domain.brokerage import AccountSummary
from brokers.domain.session.feed import MoneyHeard
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def test_it_is_read_and_heard(team: Team, now: datetime) -> None:
    account = rows.account(team)
    read = AccountSummary(
        net_liquidation=Decimal(10), cash=Decimal(9), buying_power=Decimal(4), settled_cash=Decimal(4), margin="cash"
    )
    holdings.refresh(account, positions=[], summary=read, as_of=now)
    account.refresh_from_db()
    assert (account.margin, account.cash, account.settled_cash) == ("cash", Decimal(9), Decimal(4))
    holdings.hear(
        account.connection_id, {account.account_id: MoneyHeard(settled_cash=Decimal(9))}, now + timedelta(seconds=9)
    )
    account.refresh_from_db()
    assert account.settled_cash == Decimal(9)
