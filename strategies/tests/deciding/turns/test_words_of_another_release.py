"""Rows that another release wrote with words that this one does not know: they break no turn of their team."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision
from strategies.tests import rows

pytestmark = pytest.mark.django_db


def test_a_decision_whose_signal_is_not_understood_waits_and_the_others_are_taken(team: Team) -> None:
    now = timezone.now()
    source = rows.strategy(team, now)
    rows.subscription(source, broker_rows.account(team), now)
    first = rows.signal(source, now)
    settle.settle_waiting(now)
    waits = Decision.objects.get()
    assert waits.status == "pending"
    first.reading = {**rows.READING, "action": "word-of-tomorrow"}
    type(first).objects.filter(pk=first.pk).update(reading=first.reading)
    rows.signal(source, now)
    settle.settle_waiting(now)
    assert list(Decision.objects.order_by("pk").values_list("status", flat=True)) == ["pending", "pending"]
    assert Decision.objects.get(pk=waits.pk).reason_code == ""
    assert Decision.objects.exclude(pk=waits.pk).get().waiting_for != ""
