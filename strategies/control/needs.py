"""What needs somebody above the broker: plans to answer, stops, lockouts, limits without their figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, F, Min, Q, QuerySet, When
from django.db.models.functions import Coalesce, JSONObject
from django.urls import reverse

from accounts.feed.needs import Facts, Kind, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.book import day_ledger
from brokers.models import BrokerageAccount
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Decision, FlattenRun, Guard

MOST = 5
# So long a close that was missed is shown.
MISSED_FOR = timedelta(days=1)


def _waiting_rows(team: Team, now: datetime) -> QuerySet[Any]:
    """One row with the number of waiting plans; none where nothing waits."""
    waiting = Decision.objects.filter(team=team, status=Decision.Status.PROPOSED, expires_at__gt=now).order_by()
    return waiting.values("team").annotate(facts=JSONObject(count=Count("pk"), first=Min("expires_at")))


def _waiting(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for totals in facts:
        count = totals["count"]
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
            until=moment(totals, "first"),
        )


def _guard_rows(team: Team, now: datetime) -> QuerySet[Guard]:
    """Guards that stop, lock or limit the day."""
    stopped_or_locked = ~Q(halt=str(Halt.NOTHING)) | Q(lockout_until__gt=now)
    limited = Q(max_daily_loss__isnull=False) | Q(max_daily_profit__isnull=False)
    columns = {
        **{name: F(name) for name in ("code", "level", "halt", "halt_reason", "halted_at", "account_id")},
        **{name: F(name) for name in ("lockout_until", "lockout_reason", "locked_at")},
        "halted_by": F("halted_by__email"),
        "locked_by": F("locked_by__email"),
        "limited": Case(When(limited, then=True), default=False),
        "account": Coalesce("account__account_id", "subscription__account__account_id"),
        "strategy": Coalesce("strategy__name", "subscription__strategy__name"),
        "target": Coalesce("account__code", "strategy__code", "subscription__code", "team__code"),
    }
    return with_facts(Guard.objects.filter(stopped_or_locked | limited, team=team), **columns)


def _guards(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    levels = [str(level) for level in Level]
    guards = sorted(facts, key=lambda guard: (levels.index(guard["level"]), guard["pk"]))
    yield from _stopped(team, guards)
    yield from _locked(team, guards, now)
    yield from _unknown(team, guards, now)


def _stopped(team: Team, guards: list[Facts]) -> Iterator[Need]:
    for guard in [each for each in guards if each["halt"] != Halt.NOTHING][:MOST]:
        stopped = "Everything is stopped" if guard["halt"] == Halt.EVERYTHING else "Entries are stopped"
        yield Need(
            key=f"stop-{guard['code']}",
            urgency=Urgency.STOP,
            symbol="stop",
            title=f"{stopped} for {_whom(guard)}",
            text=f"{guard['halted_by'] or 'Halyard'}: {guard['halt_reason']}",
            href=_of_guard(team, guard),
            action="Resume or read why",
            alarm=True,
            since=moment(guard, "halted_at"),
        )


def _locked(team: Team, guards: list[Facts], now: datetime) -> Iterator[Need]:
    locked = [each for each in guards if (until := moment(each, "lockout_until")) is not None and until > now]
    for guard in locked[:MOST]:
        by = guard["locked_by"] or "A limit of the day was reached"
        yield Need(
            key=f"lockout-{guard['code']}",
            urgency=Urgency.STOP,
            symbol="hourglass",
            title=f"No entry until {moment(guard, 'lockout_until'):%Y-%m-%d %H:%M} UTC: {_whom(guard)}",
            text=f"{by}: {guard['lockout_reason']}",
            href=f"{_of_guard(team, guard)}#lockout",
            action="See the guard",
            since=moment(guard, "locked_at"),
        )


def _unknown(team: Team, guards: list[Facts], now: datetime) -> Iterator[Need]:
    """Limits of the day that hold everything back, since nobody knows the day's result.

    Only a team with such a limit pays for its accounts' ledgers.
    """
    limited = [each for each in guards if each["limited"]]
    if not limited:
        return
    accounts = list(BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk"))
    results = day_ledger.results(accounts, now, ask=False)
    for guard in limited[:MOST]:
        own = [each for each in accounts if guard["account_id"] in {None, each.pk}]
        unknown = [f"{each.account_id}: {reason}" for each in own if (reason := results[each.pk].unknown)]
        if unknown:
            yield Need(
                key=f"result-{guard['code']}",
                urgency=Urgency.STOP,
                symbol="help",
                title=f"No entry while today's result is not known: {_whom(guard)}",
                text=unknown[0],
                href=_of_guard(team, guard),
                action="See the guard",
            )


def _missed_rows(team: Team, now: datetime) -> QuerySet[FlattenRun]:
    """Closes by the clock of the last day that did not begin in time."""
    missed = FlattenRun.objects.filter(status="missed", due_at__gt=now - MISSED_FOR, guard__team=team)
    columns = {
        "code": F("guard__code"),
        "level": F("guard__level"),
        "due_at": F("due_at"),
        "account": Coalesce("guard__account__account_id", "guard__subscription__account__account_id"),
        "strategy": Coalesce("guard__strategy__name", "guard__subscription__strategy__name"),
        "target": Coalesce(
            "guard__account__code", "guard__strategy__code", "guard__subscription__code", "guard__team__code"
        ),
    }
    return with_facts(missed.order_by("-due_at", "-pk"), **columns)[:MOST]


def _missed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for run in sorted(facts, key=lambda each: each["pk"], reverse=True):
        at = moment(run, "due_at")
        assert at is not None, "a close has its time"
        yield Need(
            key=f"flatten-{run['code']}-{at:%Y%m%d%H%M}",
            urgency=Urgency.DANGER,
            symbol="hourglass",
            title=f"Positions were not closed by the clock: {_whom(run)}",
            text=f"Halyard did not run at {at:%Y-%m-%d %H:%M} UTC, and closes nothing later by itself. Look at what is held.",
            href=f"{_of_guard(team, run)}#flatten",
            action="See the guard",
            alarm=True,
            since=at,
        )


def _whom(guard: Facts) -> str:
    if guard["level"] == Level.SUBSCRIPTION:
        return f"{guard['strategy']} on {guard['account']}"
    return guard["account"] or guard["strategy"] or "the whole team"


def _of_guard(team: Team, guard: Facts) -> str:
    return reverse("guard", args=[team.code, guard["level"], guard["target"]])


NEEDS = [
    Kind(name="approvals", rows=_waiting_rows, lines=_waiting),
    Kind(name="guards", rows=_guard_rows, lines=_guards),
    Kind(name="closes by the clock that were missed", rows=_missed_rows, lines=_missed),
]
