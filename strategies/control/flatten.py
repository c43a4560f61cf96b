"""Positions closed by the clock: the schedule of a level, and its closes, each once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.feed.needs import needs_changed
from accounts.models import Team, User
from accounts.turns import in_portions, one_of_each
from brokers.domain.sentences import all_of, cut
from brokers.rulebook.calendars import Calendar, us_shares
from strategies.control import halt
from strategies.control.limits import GuardRefused, Target, audit_change, lock_guard
from strategies.domain.clockwork import MOST_MINUTES, WEEK, Due, Schedule
from strategies.models import FlattenRule, FlattenRun, Guard

log = logging.getLogger(__name__)
# How long one look begins with closes of more teams.
LONGEST_SECONDS = 5.0
# As long as what was missed is looked for, and a day of any zone.
LOOKS_BACK = timedelta(days=3)
# The last closes that the page of a guard shows.
SHOWN = 5
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_STAYS = 400


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def calendar() -> Calendar:
    """The days and half days that a close before the close goes by."""
    return us_shares()


@transaction.atomic
def set_schedule(*, team: Team, target: Target, wanted: Schedule | None, actor: User | None, now: datetime) -> Guard:
    """Close the level's positions by this schedule from now on; None: by none. Raises GuardRefused."""
    if wanted is not None:
        _check(wanted)
    guard = lock_guard(team, target)
    rule = FlattenRule.objects.filter(guard=guard).first()
    before = None if rule is None else schedule_json(rule.schedule())
    after = None if wanted is None else schedule_json(wanted)
    if before == after:
        return guard
    if wanted is None:
        FlattenRule.objects.filter(guard=guard).delete()
    else:
        FlattenRule.objects.update_or_create(
            guard=guard,
            defaults={
                "minutes_before_close": wanted.minutes_before_close,
                "at": wanted.at,
                "zone": wanted.zone,
                "days": sum(1 << day for day in wanted.days),
                "set_by": actor,
                "set_at": now,
            },
        )
    audit_change(guard, "guard.flatten_set", before, after, actor=actor, now=now)
    return guard


def schedule_json(schedule: Schedule) -> dict[str, Any]:
    """A schedule as it goes on record."""
    days = sorted(schedule.days)
    if schedule.minutes_before_close is not None:
        return {"minutes_before_close": schedule.minutes_before_close, "days": days}
    assert schedule.at is not None, "it is by one or the other"
    return {"at": f"{schedule.at:%H:%M}", "zone": schedule.zone, "days": days}


def _check(wanted: Schedule) -> None:
    if not wanted.days or not wanted.days <= frozenset(range(7)):
        raise GuardRefused("Choose at least one day of the week.", "days")
    if wanted.minutes_before_close is not None:
        if not 0 < wanted.minutes_before_close <= MOST_MINUTES:
            raise GuardRefused(f"Choose 1 to {MOST_MINUTES} minutes before the close.", "minutes")
    elif wanted.at is None:
        raise GuardRefused("Say at what time, or how many minutes before the close.", "at")
    elif wanted.zone not in _zones():
        raise GuardRefused("Choose a time zone by its name, such as America/New_York.", "zone")


def run_due(now: datetime) -> int:
    """Begin the closes whose time has come, and write down those that were missed; returns how many began.

    Each in a transaction of its own, one of each team in turn: one that fails keeps no other from being closed.
    """
    days = calendar()
    known = set(FlattenRun.objects.filter(due_at__gt=now - LOOKS_BACK).values_list("guard", "due_at"))
    due = [
        (rule.guard.team_id, rule.pk)
        for rule in FlattenRule.objects.select_related("guard").order_by("pk")
        if _is_due(rule, known, now, days)
    ]
    in_order = one_of_each(due, lambda pair: pair[0], now)
    return in_portions(in_order, lambda some: _run_or_log(some[0][1], now), at_once=1, seconds=LONGEST_SECONDS)


def _is_due(rule: FlattenRule, known: Set[tuple[int, datetime]], now: datetime, days: Calendar) -> bool:
    try:
        return any((rule.guard_id, each.at) not in known for each, _ in _dues(rule, now, days))
    except Exception:
        # A zone may leave the database of zones; that is no reason to look at no other schedule.
        log.exception("The schedule of rule %s cannot be read", rule.pk)
        return False


def _dues(rule: FlattenRule, now: datetime, days: Calendar) -> Iterator[tuple[Due, FlattenRun.Status]]:
    """What has come due of a rule since it was set, and whether it may still begin."""
    schedule = rule.schedule()
    for due in schedule.missed(rule.set_at, now, days):
        yield due, FlattenRun.Status.MISSED
    due_now = schedule.now_due(now, days)
    if due_now is not None and due_now.at >= rule.set_at:
        yield due_now, FlattenRun.Status.BEGUN


def _run_or_log(key: int, now: datetime) -> int:
    try:
        return _run(key, now)
    except Exception:
        log.exception("The close by the clock of rule %s could not begin", key)
        return 0


@transaction.atomic
def _run(key: int, now: datetime) -> int:
    rule, begun = _rules().filter(pk=key).first(), 0
    if rule is None:
        return begun
    for due, status in list(_dues(rule, now, calendar())):
        run = _written(rule.guard, due, status, now)
        if run is not None and status == FlattenRun.Status.BEGUN:
            _close(rule, run, now)
            begun += 1
        elif run is not None:
            needs_changed(rule.guard.team_id)
    return begun


def _rules() -> QuerySet[FlattenRule]:
    return FlattenRule.objects.select_related(
        "guard__team", "guard__account", "guard__strategy", "guard__subscription__account"
    )


def _written(guard: Guard, due: Due, status: FlattenRun.Status, now: datetime) -> FlattenRun | None:
    """The row of a close, where this is who writes it first."""
    if FlattenRun.objects.filter(guard=guard, due_at=due.at).exists():
        return None
    try:
        with transaction.atomic():
            return FlattenRun.objects.create(guard=guard, due_at=due.at, at=max(now, due.at), status=status)
    except IntegrityError:
        return None


def _close(rule: FlattenRule, run: FlattenRun, now: datetime) -> None:
    """Cancel what would open positions of the level, and wish the end of what is held."""
    guard = rule.guard
    done = halt.flatten(team=guard.team, target=target_of(guard), reason=reason_of(rule.schedule()), now=now)
    run.closing, run.canceled, run.stays = done.closing, done.canceled, cut(" ".join(done.not_closed), _STAYS)
    run.save(update_fields=["closing", "canceled", "stays"])
    values: dict[str, object] = {"closing": done.closing, "canceled": done.canceled, "declined": done.declined}
    if done.not_closed:
        values["not_closed"] = list(done.not_closed)
    audit_change(guard, "guard.flattened", None, values, actor=None, now=now)


def target_of(guard: Guard) -> Target:
    """What a guard guards; None is the team."""
    return guard.account or guard.strategy or guard.subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the clock does at a level: its schedule with who set it, the next close, and the last ones."""

    rule: FlattenRule | None
    words: str = ""
    next: Due | None = None
    half_day: bool = False
    runs: tuple[FlattenRun, ...] = ()


def standing(guard: Guard, now: datetime) -> Standing:
    """The state of a level's schedule."""
    rule = FlattenRule.objects.filter(guard=guard.pk).select_related("set_by").first() if guard.pk else None
    runs = tuple(FlattenRun.objects.filter(guard=guard.pk).order_by("-due_at")[:SHOWN]) if guard.pk else ()
    if rule is None:
        return Standing(rule=None, runs=runs)
    schedule, days = rule.schedule(), calendar()
    due = schedule.next_after(now, days)
    half_day = due is not None and rule.minutes_before_close is not None and due.day in days.early_closes
    return Standing(rule=rule, words=in_words(schedule), next=due, half_day=half_day, runs=runs)


def in_words(schedule: Schedule) -> str:
    """A schedule for people: "Monday to Friday, 15 minutes before US shares close"."""
    if schedule.minutes_before_close is not None:
        count = schedule.minutes_before_close
        when = f"{count} minute{'' if count == 1 else 's'} before US shares close"
    else:
        when = f"at {schedule.at:%H:%M} in {place(schedule.zone)}"
    days = sorted(schedule.days)
    if len(days) == len(DAYS):
        return f"Every day, {when}"
    if schedule.days == WEEK:
        return f"Monday to Friday, {when}"
    return f"{all_of(DAYS[day] for day in days)}, {when}"


def reason_of(schedule: Schedule) -> str:
    """Why a position is closed, on its page: "closed by the clock, 15 minutes before the close"."""
    if schedule.minutes_before_close is not None:
        count = schedule.minutes_before_close
        return f"By the clock, {count} minute{'' if count == 1 else 's'} before US shares close."
    return f"By the clock, at {schedule.at:%H:%M} in {place(schedule.zone)}."


def place(zone: str) -> str:
    """A zone as people say it: "New York"."""
    return ZoneInfo(zone).key.rpartition("/")[2].replace("_", " ")
