"""What IBKR shows of an advisor's groups, kept: replaced with each look, never computed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from brokers import live
from brokers.advisors import changes
from brokers.domain.advisors.groups import MOST_CLIENTS, Member, Shown, members_json
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Connection
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify

# Groups change rarely, and IBKR divides an order by what its group is when it arrives.
BELIEVED_FOR = timedelta(minutes=10)
# A look that was asked for and did not come within so long is asked for again.
ASKED_AGAIN_AFTER = timedelta(seconds=10)


def carrier_of(connection: Connection) -> BrokerageAccount | None:
    """The advisor's own account, in which IBKR lists the orders of groups; None where the user is no advisor."""
    return connection.accounts.filter(kind=BrokerageAccount.Kind.ADVISOR).order_by("account_id").first()


def want(connection: Connection, now: datetime) -> None:
    """Ask for a look at the groups; its lane is woken when the transaction commits."""
    Advisor.objects.update_or_create(connection=connection, defaults={"wanted_at": now})
    notify(ORDERS_CHANNEL, str(connection.pk))


def is_fresh(connection: Connection, now: datetime, *, ask: bool = True) -> bool:
    """Whether the groups are as they were within the last minutes; where they are not, `ask` for a look at them."""
    row = Advisor.objects.filter(connection=connection).first()
    if row is not None and row.read_at is not None and timedelta(0) <= now - row.read_at < BELIEVED_FOR:
        return True
    if ask and (row is None or row.wanted_at is None or now - row.wanted_at > ASKED_AGAIN_AFTER):
        want(connection, now)
    return False


@transaction.atomic
def save(connection_pk: int, seen: Shown, began: datetime, now: datetime) -> None:
    """Keep the groups that IBKR showed in a look that `began` then, and judge by them what was sent before."""
    connection = Connection.objects.get(pk=connection_pk)
    account = carrier_of(connection)
    known = {row.name: row for row in AccountGroup.objects.select_for_update().filter(connection=connection)}
    for group in seen.groups:
        if account is None:
            # No client of an advisor has groups of its own.
            break
        row = known.get(group.name)
        fields = {
            "method": str(group.method),
            "members": members_json(group.members),
            "incomplete": not group.complete,
            "read_at": now,
            "gone_at": None,
        }
        if row is not None:
            AccountGroup.objects.filter(pk=row.pk).update(former=_former(row, group.members), **fields)
        else:
            AccountGroup.objects.create(
                team_id=connection.team_id, connection=connection, account=account, name=group.name, **fields
            )
    shown = {group.name: group for group in seen.groups}
    # What IBKR lists and nobody understands is there, and not to be ordered for.
    AccountGroup.objects.filter(connection=connection, name__in=seen.unread).update(incomplete=True, read_at=now)
    gone = [row.pk for row in known.values() if row.name not in {*shown, *seen.unread} and row.gone_at is None]
    AccountGroup.objects.filter(pk__in=gone).update(gone_at=now)
    changes.judge(connection, shown, began, now)
    waits = changes.waiting(connection_pk)
    values = {"read_at": now, "reason": "", "reason_code": "", "wanted_at": now if waits else None}
    Advisor.objects.update_or_create(connection=connection, defaults=values)
    live.session_changed(connection)
    notify(DECISIONS_CHANNEL, str(connection.pk))


def _former(row: AccountGroup, members: Sequence[Member]) -> list[str]:
    """The accounts that have been in the group and are in it no more."""
    present = {member.account_id for member in members}
    before = dict.fromkeys([*row.former, *(part.account_id for part in row.parts)])
    return [number for number in before if number not in present][-MOST_CLIENTS:]


@transaction.atomic
def failed(connection_pk: int, reason: str, code: str) -> None:
    """Write down why a look came to nothing. What was sent before it stays open until a look tells how it ended."""
    rows = Advisor.objects.filter(connection=connection_pk)
    rows.update(reason=reason[:300], reason_code=code[:40])
    if not changes.waiting(connection_pk):
        rows.update(wanted_at=None)
    live.session_changed(Connection.objects.get(pk=connection_pk))
    notify(DECISIONS_CHANNEL, str(connection_pk))
