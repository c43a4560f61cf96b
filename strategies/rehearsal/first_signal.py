"""Trying a signal: what a new team needs for it, and the signal itself."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Team, User
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount
from strategies.domain.plan.plan import Terms
from strategies.models import Signal, Strategy
from strategies.setup import strategies, subscriptions
from strategies.webhook import intake

FIRST = "First strategy"


def simulated_account(team: Team) -> BrokerageAccount | None:
    """The account a team tries things with: its first one without money in it."""
    accounts = BrokerageAccount.objects.filter(team=team, connection__environment=Environment.SIMULATED)
    return accounts.filter(connection__enabled=True).order_by("pk").first()


def send(*, team: Team, strategy: Strategy | None, message_body: str, actor: User | None, now: datetime) -> Signal:
    """Send a signal by hand, as if it had come to the webhook; without a strategy, the first one is made for it."""
    return intake.send_test(
        strategy=strategy or first_strategy(team=team, actor=actor, now=now),
        message_body=message_body,
        actor=actor,
        now=now,
    )


@transaction.atomic
def first_strategy(*, team: Team, actor: User | None, now: datetime) -> Strategy:
    """A strategy to begin with, followed by the simulated account where there is one."""
    Team.objects.select_for_update().get(pk=team.pk)
    first = team.strategies.order_by("pk").first()
    if first is not None:
        return first
    strategy = strategies.create_strategy(
        team=team,
        actor=actor,
        name=FIRST,
        description="Made to try signals with.",
        now=now,
    )
    account = simulated_account(team)
    if account is not None:
        subscription = subscriptions.subscribe(
            team=team, strategy=strategy, account=account, terms=Terms(), actor=actor, now=now
        )
        subscriptions.enable(subscription=subscription, actor=actor, now=now)
    return strategy
