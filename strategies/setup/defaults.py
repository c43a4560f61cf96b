"""A strategy's defaults: the terms its subscriptions start with, and those of the linked ones, today's and tomorrow's."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from strategies.domain.terms.terms import Terms
from strategies.models import Strategy, Subscription
from strategies.setup.subscriptions import new_version


def linked_to(strategy: Strategy) -> QuerySet[Subscription]:
    """The subscriptions whose terms are the strategy's defaults."""
    rows = Subscription.objects.filter(strategy=strategy, linked=True)
    return rows.select_related("account__connection", "terms").order_by("pk")


@transaction.atomic
def set_defaults(*, strategy: Strategy, terms: Terms, actor: User | None, now: datetime) -> int:
    """Set them, and give every linked subscription its new version with them; returns how many got one."""
    locked = Strategy.objects.select_for_update(no_key=True).select_related("team").get(pk=strategy.pk)
    values = terms.to_json()
    if locked.defaults != values:
        before = locked.defaults
        Strategy.objects.filter(pk=locked.pk).update(defaults=values)
        audit.record(
            team=locked.team,
            actor=actor,
            action="strategy.defaults_set",
            subject=str(locked.code),
            before=before,
            after=values,
            now=now,
        )
    strategy.defaults = values
    behind = [each for each in linked_to(locked) if each.terms is None or each.terms.value() != terms]
    for subscription in behind:
        new_version(subscription=subscription, terms=terms, actor=actor, now=now, cause="linked_terms_set")
    return len(behind)
