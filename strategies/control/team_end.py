"""The end of a team: closed by an owner, opened again while its history is kept, and its rows removed after that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import connection as database
from django.db import models, transaction

from accounts import audit, departures
from accounts.feed import pushes
from accounts.models import AuditChain, AuditEntry, Team, User
from accounts.refusals import Refusal
from brokers.connections import connections
from brokers.domain.orders import MAY_FILL
from brokers.domain.sentences import all_of
from brokers.models import Closing, Order, Position
from strategies.control import halt
from strategies.control.limits import lock_guard
from strategies.domain.decide.guards import Halt

REASON = "The team is being closed."
FLOORS = ("accounts", "brokers", "strategies")


class TeamEndRefused(Refusal):
    """The team cannot be closed or opened now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """What still moves in accounts whose connections are on."""

    orders: int
    positions: int
    # Positions in accounts whose connection is off: Halyard watches them no more, they stay at IBKR.
    unwatched: int


def at_work(team: Team) -> AtWork:
    """What keeps the team from being closed."""
    watched = models.Q(account__connection__enabled=True)
    positions = Position.objects.filter(team=team)
    orders = Order.objects.filter(watched, team=team, status__in=[str(status) for status in MAY_FILL])
    closings = Closing.objects.filter(watched, team=team, status=Closing.Status.OPEN)
    return AtWork(
        orders=orders.count() + closings.count(),
        positions=positions.filter(watched).count(),
        unwatched=positions.exclude(watched).count(),
    )


@transaction.atomic
def close_team(*, team: Team, actor: User, now: datetime) -> None:
    """Stop everything, switch connections off, end invitations and tokens, and refuse all that is sent from now on.

    Refused while an order is at work or a position is open; then nothing is changed.
    """
    # Decisions under way end first, so that none makes an order after it was looked for orders.
    lock_guard(team, None)
    work = at_work(team)
    if work.orders or work.positions:
        raise TeamEndRefused(
            f"The team cannot be closed yet: {_still(work)}. Stop trading, close the positions, then close the team.",
            "still-trading",
        )
    halt.halt(team=team, target=None, how=Halt.EVERYTHING, reason=REASON, actor=actor, now=now)
    locked = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if locked.closed_at is not None:
        raise TeamEndRefused("This team is closed already. Open it again on its page if that was a mistake.", "closed")
    Team.objects.filter(pk=team.pk).update(closed_at=now, closed_by=actor.email)
    team.closed_at, team.closed_by = now, actor.email
    team.strategies.update(team_closed=True)
    for each in team.connections.filter(enabled=True).order_by("pk"):
        connections.disable(connection=each, actor=actor, now=now)
    departures.withdraw_all(team.invitations.all(), actor=actor, now=now)
    departures.revoke_all(team.api_tokens.all(), actor=actor, now=now)
    audit.record(team=team, actor=actor, action="team.closed", subject=team.name, now=now)
    for user_pk in team.memberships.values_list("user_id", flat=True):
        pushes.ask_again_on_commit(team.pk, user_pk)


@transaction.atomic
def reopen_team(*, team: Team, actor: User, now: datetime) -> None:
    """Undo the closing while the history is there. The stop stays, and so do connections that are off."""
    open_again = Team.objects.filter(pk=team.pk, closed_at__isnull=False, emptied_at__isnull=True)
    if not open_again.update(closed_at=None, closed_by=""):
        raise TeamEndRefused(
            "This team is open, or its history has been removed. Make a new team instead.", "not-closed"
        )
    team.closed_at, team.closed_by = None, ""
    team.strategies.update(team_closed=False)
    audit.record(team=team, actor=actor, action="team.reopened", subject=team.name, now=now)


def remove_closed(now: datetime) -> int:
    """Remove the rows of teams that were closed long enough ago; returns how many teams."""
    horizon = now - timedelta(days=settings.KEEP_CLOSED_TEAMS_DAYS)
    due = Team.objects.filter(closed_at__lte=horizon, emptied_at__isnull=True).order_by("pk")
    return sum(_empty(team, horizon, now) for team in due)


@transaction.atomic
def _empty(team: Team, horizon: datetime, now: datetime) -> bool:
    """Delete everything of the team but its name and its record, which is append-only."""
    still_due = Team.objects.select_for_update(no_key=True).filter(
        pk=team.pk, closed_at__lte=horizon, emptied_at__isnull=True
    )
    if not still_due.exists():
        return False
    with database.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    for model, path in tables_of_a_team():
        rows = model._default_manager.filter(**{path: team.pk})
        rows._raw_delete(rows.db)
    Team.objects.filter(pk=team.pk).update(emptied_at=now)
    audit.record(team=team, actor=None, action="team.removed", subject=team.name, now=now)
    return True


def tables_of_a_team() -> list[tuple[type[models.Model], str]]:
    """Each table whose rows belong to a team, with the way to the team; what hangs on others comes first."""
    paths: dict[type[models.Model], str] = {}
    ours = [model for floor in FLOORS for model in apps.get_app_config(floor).get_models()]
    while True:
        more = {model: path for model in ours if model not in paths and (path := _path(model, paths))}
        if not more:
            break
        paths |= more
    kept = {Team, AuditChain, AuditEntry}
    rows = [(model, path) for model, path in paths.items() if model not in kept]
    return sorted(rows, key=lambda row: -row[1].count("__"))


def _path(model: type[models.Model], known: dict[type[models.Model], str]) -> str:
    targets = {
        field.name: field.related_model for field in model._meta.get_fields() if isinstance(field, models.ForeignKey)
    }
    for name, target in targets.items():
        if target is Team:
            return name
    return next((f"{name}__{known[target]}" for name, target in targets.items() if target in known), "")


def _still(work: AtWork) -> str:
    """What is at work: "2 orders are at work and 1 position is open"."""
    counts = ((work.orders, "order", "at work"), (work.positions, "position", "open"))
    return all_of(
        f"1 {noun} is {state}" if count == 1 else f"{count} {noun}s are {state}"
        for count, noun, state in counts
        if count
    )
