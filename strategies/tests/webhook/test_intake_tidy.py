"""What is forgotten, and what is not."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest

from accounts.models import Team
from strategies.models import SeenKey
from strategies.tests import rows
from strategies.webhook import intake

pytestmark = pytest.mark.django_db


def test_it_forgets_the_keys_that_have_expired_and_no_other(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    for key, expires_at in (("old", now), ("fresh", now + timedelta(seconds=1))):
        SeenKey.objects.create(
            strategy=strategy, key=key, signal_code=uuid.uuid4(), log_code=uuid.uuid4(), expires_at=expires_at
        )
    assert intake.forget_expired(now) == 1
    assert SeenKey.objects.get().key == "fresh"
