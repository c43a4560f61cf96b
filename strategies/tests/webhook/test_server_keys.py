"""`manage.py server_keys`: may an old key be dropped?"""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Team
from strategies.models import Strategy, WebhookEndpoint, WebhookMinute
from strategies.setup import strategies
from strategies.tests.webhook.doors import path_of, post
from strategies.webhook.passwords import password_for

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.SERVER_KEYS = ["the new key", "the old key"]


def strategy(team: Team, name: str) -> Strategy:
    return strategies.create_strategy(team=team, actor=None, name=name, now=timezone.now())


def used(of: Strategy, ago: timedelta, **values: int) -> None:
    at = timezone.now() - ago
    WebhookMinute.objects.create(endpoint=of.endpoints.get(), minute=at, last_at=at, taken=1, **values)


def printed(**options: Any) -> str:
    out = StringIO()
    call_command("server_keys", stdout=out, **options)
    return out.getvalue()


def test_a_key_that_is_in_use_is_kept(team: Team) -> None:
    trend, moved = strategy(team, "Trend"), strategy(team, "Moved")
    used(trend, 2 * DAY, old_key=1)
    used(trend, DAY)
    used(moved, DAY)
    out = StringIO()
    with pytest.raises(CommandError, match="Keep the old keys: 1 of the webhooks above"):
        call_command("server_keys", stdout=out)
    listed = out.getvalue()
    assert f"Alice's team / Trend / {trend.endpoints.get().code}" in listed
    assert "Moved" not in listed


def test_a_key_that_nobody_used_lately_may_be_dropped(team: Team) -> None:
    trend = strategy(team, "Trend")
    used(trend, 15 * DAY, old_key=1)
    used(trend, DAY)
    assert "No old key was used, and every webhook was. The old keys may be dropped." in printed()
    with pytest.raises(CommandError):
        printed(days=20)


def test_it_does_not_take_silence_for_consent(team: Team) -> None:
    strategy(team, "Once a quarter")
    text = printed()
    assert "Once a quarter" in text
    assert "nobody knows which key their senders hold" in text
    assert "may be dropped once the owners of the silent webhooks" in text


def test_a_revoked_webhook_needs_no_key(team: Team, now: datetime) -> None:
    trend = strategy(team, "Trend")
    used(trend, DAY, old_key=1)
    strategies.disable_webhook(endpoint=trend.endpoints.get(), actor=None, now=now)
    assert "The old keys may be dropped." in printed()


def test_one_key_alone_is_never_old(team: Team, settings: Any) -> None:
    settings.SERVER_KEYS = ["the only key"]
    assert "There is no old one to drop." in printed()


@pytest.mark.django_db(transaction=True)
def test_a_delivery_with_a_password_of_the_old_key_is_what_it_lists(team: Team, settings: Any) -> None:
    trend = strategy(team, "Trend")
    endpoint: WebhookEndpoint = trend.endpoints.get()
    settings.SERVER_KEYS = ["the old key"]
    path = path_of(trend)
    settings.SERVER_KEYS = ["the new key", "the old key"]
    assert password_for(endpoint.code) not in path
    assert post(path).status == 200
    with pytest.raises(CommandError, match="Keep the old keys"):
        printed()
