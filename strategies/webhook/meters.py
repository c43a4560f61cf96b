"""What webhooks and their teams were sent this minute: counted in the database, judged here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from strategies.domain.quota import Budget, Quota
from strategies.webhook.delivery import Delivery, too_many, too_many_for_team
from strategies.webhook.statements import QUOTAS

MOST_METERS = 50_000

Run = Callable[[str, Iterable[object]], Awaitable[list[tuple[Any, ...]]]]


class Meters:
    """The counts of this minute as the database last returned them, with what was judged since."""

    def __init__(self) -> None:
        self._quotas: dict[UUID, Quota] = {}
        self._budgets: dict[int, Budget] = {}

    def clear(self) -> None:
        """The database may not have counted what was counted here."""
        self._quotas.clear()
        self._budgets.clear()

    async def load(self, deliveries: Sequence[Delivery], run: Run) -> None:
        """Load the meters of webhooks that are new to this process, or whose minute has just begun, with their teams'."""
        minute = deliveries[-1].received_at.replace(second=0, microsecond=0)
        unknown = {
            delivery.endpoint
            for delivery in deliveries
            if (quota := self._quotas.get(delivery.endpoint)) is None or quota.minute < minute
        }
        if not unknown:
            return
        if len(self._quotas) >= MOST_METERS:
            self.clear()
        questions = [
            {"endpoint": endpoint, "minute": minute, "whole": not self._knows_team_of(endpoint, minute)}
            for endpoint in unknown
        ]
        for endpoint, *figures in await run(QUOTAS, questions):
            of_team, of_webhook = figures[:4], figures[4:]
            quota = self._quotas[endpoint] = Quota(minute, *of_webhook)
            known = self._budgets.get(quota.team)
            if known is None or known.minute < minute:
                self._budgets[quota.team] = Budget(minute, *of_team)

    def _knows_team_of(self, endpoint: UUID, minute: datetime) -> bool:
        quota = self._quotas.get(endpoint)
        budget = None if quota is None else self._budgets.get(quota.team)
        return budget is not None and budget.minute >= minute

    def judge(self, delivery: Delivery) -> Quota | None:
        """Count a delivery in its webhook's meter and its team's, and refuse it when one of them is over its limit."""
        quota, context = self._quotas.get(delivery.endpoint), delivery.context
        if quota is None or context is None or delivery.own:
            return None
        delivery.over = False
        if delivery.stranger:
            quota.strangers += 1
            return quota
        at, leaves = delivery.received_at, delivery.leaves
        wait = quota.admit(at, leaves=leaves, per_minute=context.per_minute, per_hour=context.per_hour)
        if wait is not None:
            delivery.over, delivery.verdict = True, too_many(context, wait)
            return quota
        most = settings.WEBHOOK_TEAM_PER_MINUTE
        wait = self._budgets[quota.team].admit(at, leaves=leaves, per_minute=most)
        if wait is not None:
            quota.over += 1
            delivery.over, delivery.verdict = True, too_many_for_team(most, wait)
        return quota

    def learn(self, endpoint: UUID, counts: tuple[int, int, int, int]) -> None:
        """What the database has counted for a webhook: taken, exits, strangers and over, those of other processes too."""
        quota = self._quotas.get(endpoint)
        if quota is None:
            return
        taken, exits, strangers, over = counts
        elsewhere = (taken - over) - (quota.taken - quota.over)
        budget = self._budgets[quota.team]
        if elsewhere > 0 and budget.minute == quota.minute:
            budget.taken += elsewhere
        quota.taken, quota.exits, quota.strangers, quota.over = taken, exits, strangers, over

    def forget(self, endpoint: UUID) -> None:
        """The webhook's settings have changed: its meter is loaded anew."""
        self._quotas.pop(endpoint, None)
