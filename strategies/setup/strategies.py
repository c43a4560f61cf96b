"""Strategies and their webhooks: make, rotate, switch; and what a new team finds when it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import Team, User
from brokers.connections import connections
from brokers.domain.sessions import Environment
from brokers.models import Connection
from strategies.domain.message.symbols import Kind
from strategies.models import Strategy, WebhookEndpoint
from strategies.webhook.passwords import password_for


class StrategyRefused(ValueError):
    """The message is a sentence for people."""


@transaction.atomic
def create_strategy(
    *,
    team: Team,
    actor: User | None,
    name: str,
    asset_class: Kind = Kind.STOCK,
    description: str = "",
    allowed_tickers: Sequence[str] = (),
    now: datetime,
) -> Strategy:
    """A new strategy with its first webhook."""
    try:
        with transaction.atomic():
            strategy = Strategy.objects.create(
                team=team,
                name=name,
                asset_class=asset_class,
                description=description,
                allowed_tickers=list(allowed_tickers),
                created_at=now,
                per_minute=settings.WEBHOOK_PER_MINUTE,
                per_hour=settings.WEBHOOK_PER_HOUR,
            )
    except IntegrityError as error:
        raise StrategyRefused(f"This team already has a strategy called {name}. Choose another name.") from error
    WebhookEndpoint.objects.create(team=team, strategy=strategy, created_at=now)
    audit.record(team=team, actor=actor, action="strategy.made", subject=name, now=now)
    return strategy


def webhook_url(endpoint: WebhookEndpoint) -> str:
    """The whole secret URL. Show it only to those who may send."""
    return f"{settings.PUBLIC_URL}/trading/webhook/{endpoint.code}/{password_for(endpoint.code)}"


@transaction.atomic
def rotate_webhook(*, strategy: Strategy, actor: User | None, now: datetime) -> WebhookEndpoint:
    """A second URL beside the first: senders move over, then the old one is disabled."""
    live = strategy.endpoints.select_for_update().filter(enabled=True).count()
    if live >= 2:
        raise StrategyRefused("Two webhook URLs are live already. Disable the old one before making another.")
    endpoint = WebhookEndpoint.objects.create(team=strategy.team, strategy=strategy, created_at=now)
    audit.record(team=strategy.team, actor=actor, action="webhook.rotated", subject=strategy.name, now=now)
    return endpoint


@transaction.atomic
def secret_shown(*, endpoint: WebhookEndpoint, what: str, actor: User | None, now: datetime) -> None:
    """Write down that somebody was shown a secret of this webhook: its URL or its signing key."""
    audit.record(
        team=endpoint.team,
        actor=actor,
        action=f"webhook.{what}_shown",
        subject=endpoint.strategy.name,
        after={"webhook": str(endpoint.code)},
        now=now,
    )


@transaction.atomic
def disable_webhook(*, endpoint: WebhookEndpoint, actor: User | None, now: datetime) -> None:
    """The URL is refused from the next request on."""
    if WebhookEndpoint.objects.filter(pk=endpoint.pk, enabled=True).update(enabled=False, disabled_at=now):
        audit.record(team=endpoint.team, actor=actor, action="webhook.disabled", subject=str(endpoint.code), now=now)


@transaction.atomic
def enable_strategy(*, strategy: Strategy, actor: User | None, now: datetime) -> None:
    """Signals are taken again."""
    _switch(strategy, True, actor, now)


@transaction.atomic
def disable_strategy(*, strategy: Strategy, actor: User | None, now: datetime) -> None:
    """Signals are refused with `strategy-disabled` until it is enabled again."""
    _switch(strategy, False, actor, now)


def _switch(strategy: Strategy, enabled: bool, actor: User | None, now: datetime) -> None:
    if Strategy.objects.filter(pk=strategy.pk, enabled=not enabled).update(enabled=enabled):
        action = f"strategy.{'enabled' if enabled else 'disabled'}"
        audit.record(team=strategy.team, actor=actor, action=action, subject=strategy.name, now=now)
    strategy.enabled = enabled


@transaction.atomic
def welcome(*, team: Team, actor: User | None, now: datetime) -> Connection | None:
    """A new team's simulated account to try things with; None when it has a connection or is closed, or where there is no simulator."""
    locked = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if not settings.SIMULATOR or locked.closed_at is not None or locked.connections.exists():
        return None
    return connections.connect(
        team=team, actor=actor, name="Simulated IBKR", username="", environment=Environment.SIMULATED, now=now
    )
