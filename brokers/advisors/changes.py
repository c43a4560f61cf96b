"""Wishes about an advisor's groups: written down, sent once, and judged by what IBKR shows afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers.domain.advisors.groups import MOST_GROUPS, Group, members_json, problem_of
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Connection, GroupChange
from brokers.postgres.notices import ORDERS_CHANNEL, notify

Kind = GroupChange.Kind
Status = GroupChange.Status
_DONE = {Kind.MAKE: "made", Kind.CHANGE: "changed", Kind.REMOVE: "removed"}
LOST = (
    "IBKR's answer was lost, and it does not show the change. Look at the groups again in a minute; if it is still not "
    "there, ask for it again."
)


class GroupRefused(Refusal):
    """The group cannot be made, changed or removed."""


@transaction.atomic
def ask(*, connection: Connection, kind: Kind, group: Group, actor: User | None, now: datetime) -> GroupChange:
    """Write down a wish; the connection's lane sends it. Raise GroupRefused where IBKR could not carry it out."""
    _check(connection, kind, group)
    try:
        with transaction.atomic():
            change = GroupChange.objects.create(
                team_id=connection.team_id,
                connection=connection,
                kind=kind,
                name=group.name,
                method=str(group.method),
                members=members_json(group.members),
                asked_by=actor,
                asked_at=now,
            )
    except IntegrityError as error:
        raise GroupRefused(
            f"A change of {group.name} is on its way to IBKR. Wait until it has ended, then ask again.",
            "group-changing",
        ) from error
    audit.record(
        team=connection.team,
        actor=actor,
        action=f"group.asked_to_{kind}",
        subject=f"{group.name} of {connection.username}"[:120],
        after=_as_recorded(group),
        now=now,
    )
    Advisor.objects.update_or_create(connection=connection, defaults={"wanted_at": now})
    notify(ORDERS_CHANNEL, str(connection.pk))
    return change


def _check(connection: Connection, kind: Kind, group: Group) -> None:
    if not connection.enabled:
        raise GroupRefused("This connection is off, so IBKR cannot be asked. Switch it on first.", "connection-off")
    if not connection.accounts.filter(kind=BrokerageAccount.Kind.ADVISOR).exists():
        raise GroupRefused(
            "IBKR shows no advisor's account on this connection, and groups are for advisors. Sign in as the advisor, or test the "
            "connection so that IBKR shows the account here.",
            "no-advisor",
        )
    shown = AccountGroup.objects.filter(connection=connection, gone_at=None)
    there = shown.filter(name=group.name).exists()
    if kind is not Kind.MAKE and not there:
        raise GroupRefused(f"IBKR shows no group {group.name} any more. Look at the groups again.", "group-gone")
    if kind is Kind.REMOVE:
        return
    if kind is Kind.MAKE and there:
        raise GroupRefused(f"There is a group {group.name} already. Change it, or take another name.", "group-exists")
    if kind is Kind.MAKE and shown.count() >= MOST_GROUPS:
        raise GroupRefused(f"An advisor has at most {MOST_GROUPS} groups here. Remove one first.", "too-many-groups")
    clients = connection.accounts.exclude(kind=BrokerageAccount.Kind.ADVISOR)
    if (problem := problem_of(group, set(clients.values_list("account_id", flat=True)))) is not None:
        raise GroupRefused(problem.reason, problem.code)


def _as_recorded(group: Group) -> dict[str, Any]:
    return {"method": str(group.method), "accounts": members_json(group.members)}


@transaction.atomic
def begin(connection_pk: int, now: datetime) -> GroupChange | None:
    """The wish that waits longest, written down as leaving; None where none waits."""
    rows = GroupChange.objects.select_for_update().filter(connection=connection_pk, status=str(Status.ASKED))
    change = rows.order_by("pk").first()
    if change is not None:
        _move(change, Status.SENT, sent_at=now)
    return change


def waiting(connection_pk: int) -> bool:
    """Whether a wish waits to be sent."""
    return GroupChange.objects.filter(connection=connection_pk, status=str(Status.ASKED)).exists()


def not_sent(change: GroupChange, reason: str) -> None:
    """Let a wish wait again that provably has not left."""
    _move(change, Status.ASKED, sent_at=None, reason=reason[:300])


@transaction.atomic
def refused(change: GroupChange, reason: str, code: str, now: datetime) -> None:
    """IBKR said no, or nobody knows and IBKR does not show it."""
    if _move(change, Status.REFUSED, ended_at=now, reason=reason[:300], reason_code=code[:40]):
        _record(change, "refused", reason, now)


def judge(connection: Connection, shown: Mapping[str, Group], began: datetime, now: datetime) -> None:
    """End what was sent before a look that `began` then: done where IBKR shows it so, refused where it does not."""
    for change in GroupChange.objects.filter(connection=connection, status=str(Status.SENT), sent_at__lte=began):
        now_there = shown.get(change.name)
        if (now_there is None) if change.kind == Kind.REMOVE else _alike(now_there, change.value):
            if _move(change, Status.DONE, ended_at=now, reason="", reason_code=""):
                _record(change, _DONE[Kind(change.kind)], "", now)
        else:
            refused(change, LOST, "group-not-shown", now)


def _alike(one: Group | None, other: Group) -> bool:
    return one is not None and one.method is other.method and set(one.members) == set(other.members)


def _move(change: GroupChange, to: Status, **values: Any) -> bool:
    rows = GroupChange.objects.filter(pk=change.pk, status=change.status)
    if not rows.update(status=str(to), **values):
        return False
    for name, value in {"status": str(to), **values}.items():
        setattr(change, name, value)
    return True


def _record(change: GroupChange, what: str, reason: str, now: datetime) -> None:
    audit.record(
        team=change.team,
        actor=None,
        action=f"group.{what}",
        subject=f"{change.name} of {change.connection.username}"[:120],
        after={"kind": change.kind, **({"reason": reason} if reason else {}), **_as_recorded(change.value)},
        now=now,
    )
