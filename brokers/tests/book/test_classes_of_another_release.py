"""Questions about a class that this release does not know: a lane leaves them out, and answers the others."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import contracts, quotes, trading_hours
from brokers.models import ContractLookup
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def test_they_are_left_out_of_what_a_lane_answers(team: Team) -> None:
    now, of = timezone.now(), rows.connection(team)
    for asset_class, ticker in (("of-tomorrow", "NEW"), ("stock", "MSFT")):
        ContractLookup.objects.create(connection=of, ticker=ticker, asset_class=asset_class, asked_at=now)
    assert [each.ticker for each in contracts.wanted_of(of.pk)] == ["MSFT"]
    found = {"status": "found", "conid": 1, "currency": "USD", "answered_at": now}
    ContractLookup.objects.update(**found, quote_wanted_at=now, hours_wanted_at=now)
    assert [each.ticker for each in quotes.wanted_of(of.pk)] == ["MSFT"]
    assert [each.ticker for each in trading_hours.wanted_of(of.pk)] == ["MSFT"]
