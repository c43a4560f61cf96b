"""Trying a signal: what a new team needs for it, and the signal itself."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Team, User
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount
from strategies.domain.plan.plan import Terms
from strategies.models import Signal, Strategy, Subscription, TermsVersion
from strategies.rehearsal.dry_run import Rehearsal, rehearse
from strategies.setup import strategies, subscriptions
from strategies.webhook import intake

FIRST = "First strategy"


def simulated_account(team: Team) -> BrokerageAccount | None:
    """The account a team tries things with: its first one without money in it."""
    accounts = BrokerageAccount.objects.filter(team=team, connection__environment=Environment.SIMULATED)
    return accounts.select_related("connection").filter(connection__enabled=True).order_by("pk").first()


def send(*, team: Team, strategy: Strategy | None, message_body: str, actor: User | None, now: datetime) -> Signal:
    """Send a signal by hand, as if it had come to the webhook; without a strategy, the first one is made for it."""
    return intake.send_test(
        strategy=strategy or first_strategy(team=team, actor=actor, now=now),
        message_body=message_body,
        actor=actor,
        now=now,
    )


def rehearse_try(*, team: Team, strategy: Strategy | None, message_body: str, now: datetime, ask: bool) -> Rehearsal:
    """What `send` would lead to. The strategy that it would make for a new team is rehearsed without being made."""
    strategy = strategy or team.strategies.order_by("pk").first()
    if strategy is not None:
        return rehearse(strategy, message_body.encode(), now, ask=ask)
    unmade = Strategy(team=team, name=FIRST)
    account = simulated_account(team)
    followers = [_unmade_subscription(unmade, account)] if account is not None else []
    return rehearse(unmade, message_body.encode(), now, ask=ask, followers=followers)


def _unmade_subscription(strategy: Strategy, account: BrokerageAccount) -> Subscription:
    """The subscription that `first_strategy` would make: as a value, without a row."""
    subscription = Subscription(team=strategy.team, strategy=strategy, account=account, enabled=True)
    subscription.terms = TermsVersion(subscription=subscription, number=1, values=Terms().to_json())
    return subscription


@transaction.atomic
def first_strategy(*, team: Team, actor: User | None, now: datetime) -> Strategy:
    """A strategy to begin with, followed by the simulated account where there is one."""
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
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
