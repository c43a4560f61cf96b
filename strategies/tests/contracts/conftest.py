"""An account with money at the gateway, and a strategy that it follows."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.models import Strategy
from strategies.tests import rows


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    bench = lab.make(team, gateway)
    BrokerageAccount.objects.update(book_as_of=timezone.now(), equity=100_000, available_funds=100_000)
    return bench


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made
