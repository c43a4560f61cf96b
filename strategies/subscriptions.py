"""Subscriptions: a strategy followed by a brokerage account, on terms that never change, only get successors."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts import audit
from accounts.models import Team, User
from brokers.models import BrokerageAccount
from strategies.domain.plan import Terms
from strategies.models import Strategy, Subscription, TermsVersion


class SubscriptionRefused(ValueError):
    """The message is a sentence for people."""


@transaction.atomic
def subscribe(
    *, team: Team, strategy: Strategy, account: BrokerageAccount, terms: Terms, actor: User | None, now: datetime
) -> Subscription:
    """A new subscription, switched off until somebody enables it."""
    try:
        with transaction.atomic():
            made = Subscription.objects.create(team=team, strategy=strategy, account=account, created_at=now)
    except IntegrityError as error:
        raise SubscriptionRefused(
            f"{account.account_id} already follows {strategy.name}. Change the terms of that subscription instead."
        ) from error
    audit.record(team=team, actor=actor, action="subscription.made", subject=f"{strategy.name} on {account}", now=now)
    set_terms(subscription=made, terms=terms, actor=actor, now=now)
    return made


@transaction.atomic
def set_terms(*, subscription: Subscription, terms: Terms, actor: User | None, now: datetime) -> TermsVersion:
    """A new version of the terms, used by every decision from now on."""
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    last = locked.terms_versions.aggregate(last=Max("number"))["last"] or 0
    before = locked.terms.values if locked.terms else None
    version = TermsVersion.objects.create(
        subscription=locked, number=last + 1, values=terms.to_json(), set_by=actor, set_at=now
    )
    Subscription.objects.filter(pk=locked.pk).update(terms=version)
    subscription.terms = version
    audit.record(
        team=locked.team, actor=actor, action="subscription.terms_set", subject=str(locked.code),
        before=before, after=version.values, now=now,
    )  # fmt: skip
    return version


@transaction.atomic
def enable(*, subscription: Subscription, actor: User | None, now: datetime) -> None:
    """From now on signals of the strategy become orders in the account."""
    _switch(subscription, True, actor, now)


@transaction.atomic
def disable(*, subscription: Subscription, actor: User | None, now: datetime) -> None:
    """Signals of the strategy no longer reach the account. Orders already made go on."""
    _switch(subscription, False, actor, now)


def _switch(subscription: Subscription, enabled: bool, actor: User | None, now: datetime) -> None:
    if Subscription.objects.filter(pk=subscription.pk, enabled=not enabled).update(enabled=enabled):
        action = f"subscription.{'enabled' if enabled else 'disabled'}"
        audit.record(team=subscription.team, actor=actor, action=action, subject=str(subscription.code), now=now)
    subscription.enabled = enabled
