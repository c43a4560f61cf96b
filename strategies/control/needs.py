"""What needs somebody above the broker: plans to answer, stops, lockouts, limits without their figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min, Q
from django.urls import reverse

from accounts.feed.needs import Need, Urgency
from accounts.models import Team
from brokers.book import day_ledger
from brokers.models import BrokerageAccount
from strategies.control import halt
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Decision, Guard

MOST = 5


def needs(team: Team, now: datetime) -> list[Need]:
    """What waits for a person."""
    stopped_or_locked = ~Q(halt=str(Halt.NOTHING)) | Q(lockout_until__gt=now)
    limited = Q(max_daily_loss__isnull=False) | Q(max_daily_profit__isnull=False)
    guards = list(
        halt.widest_first(Guard.objects.filter(stopped_or_locked | limited, team=team)).select_related("locked_by")
    )
    return [*_approvals(team, now), *_stopped(guards), *_locked(guards, now), *_unknown(team, guards, now)]


def _approvals(team: Team, now: datetime) -> Iterator[Need]:
    waiting = Decision.objects.filter(team=team, status=Decision.Status.PROPOSED, expires_at__gt=now)
    totals = waiting.aggregate(count=Count("pk"), first=Min("expires_at"))
    count = totals["count"]
    if count:
        yield Need(
            key="approvals",
            urgency=Urgency.ANSWER,
            symbol="inbox",
            title="1 plan waits for an answer" if count == 1 else f"{count} plans wait for an answer",
            text="It expires" if count == 1 else "The first of them expires",
            href=reverse("approvals", args=[team.code]),
            action="Answer",
            page="approvals",
            count=count,
            until=totals["first"],
        )


def _stopped(guards: list[Guard]) -> Iterator[Need]:
    for guard in [each for each in guards if each.halt != Halt.NOTHING][:MOST]:
        stopped = "Everything is stopped" if guard.halt == Halt.EVERYTHING else "Entries are stopped"
        by = guard.halted_by.email if guard.halted_by else "Halyard"
        yield Need(
            key=f"stop-{guard.code}",
            urgency=Urgency.STOP,
            symbol="stop",
            title=f"{stopped} for {_whom(guard)}",
            text=f"{by}: {guard.halt_reason}",
            href=_of_guard(guard),
            action="Resume or read why",
            alarm=True,
            since=guard.halted_at,
        )


def _locked(guards: list[Guard], now: datetime) -> Iterator[Need]:
    for guard in [each for each in guards if each.lockout_until and each.lockout_until > now][:MOST]:
        by = guard.locked_by.email if guard.locked_by else "A limit of the day was reached"
        yield Need(
            key=f"lockout-{guard.code}",
            urgency=Urgency.STOP,
            symbol="hourglass",
            title=f"No entry until {guard.lockout_until:%Y-%m-%d %H:%M} UTC: {_whom(guard)}",
            text=f"{by}: {guard.lockout_reason}",
            href=f"{_of_guard(guard)}#lockout",
            action="See the guard",
            since=guard.locked_at,
        )


def _unknown(team: Team, guards: list[Guard], now: datetime) -> Iterator[Need]:
    """Limits of the day that hold everything back, since nobody knows the day's result."""
    limited = [each for each in guards if each.max_daily_loss is not None or each.max_daily_profit is not None]
    if not limited:
        return
    accounts = list(BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk"))
    results = day_ledger.results(accounts, now, ask=False)
    for guard in limited[:MOST]:
        own = [each for each in accounts if guard.account_id in {None, each.pk}]
        unknown = [f"{each.account_id}: {reason}" for each in own if (reason := results[each.pk].unknown)]
        if unknown:
            yield Need(
                key=f"result-{guard.code}",
                urgency=Urgency.STOP,
                symbol="help",
                title=f"No entry while today's result is not known: {_whom(guard)}",
                text=unknown[0],
                href=_of_guard(guard),
                action="See the guard",
            )


def _whom(guard: Guard) -> str:
    if guard.subscription is not None:
        return f"{guard.subscription.strategy.name} on {guard.subscription.account.account_id}"
    return str(guard.account or guard.strategy or "the whole team")


def _of_guard(guard: Guard) -> str:
    target = guard.account or guard.strategy or guard.subscription or guard.team
    return reverse("guard", args=[guard.team.code, str(Level(guard.level)), target.code])
