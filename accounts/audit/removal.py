"""The one lawful way to remove entries: from the beginning of a chain, under a seal, and with an entry that says so."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from accounts.audit import keys, writing
from accounts.models import AuditChain, AuditEntry, User

# The triggers of the tables let entries go only in a transaction that has set this.
LAWFUL = "SELECT set_config('halyard.audit_removal', %s, true)"


@transaction.atomic
def remove_before(*, chain: AuditChain, moment: datetime, actor: User | None, now: datetime) -> int:
    """Remove the chain's oldest entries, those before `moment`. What is left can be verified as before.

    Where all go, the chain's row stays, with a seal over what there was.
    """
    chain = writing.locked(chain)
    # Up to the first entry that stays: times may lie out of order, the chain may not have a gap.
    kept = AuditEntry.objects.filter(chain=chain, at__gte=moment).order_by("number").values_list("number", flat=True)
    first_kept = kept.first()
    return _remove(chain, chain.number if first_kept is None else first_kept - 1, actor, now)


def _remove(chain: AuditChain, through: int, actor: User | None, now: datetime) -> int:
    rows = AuditEntry.objects.filter(chain=chain, number__lte=through)
    last = rows.order_by("-number").first()
    if last is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(LAWFUL, ["lawful"])
        count = rows.delete()[0]
        cursor.execute(LAWFUL, [""])
    chain.removed_number, chain.removed_head = last.number, last.hash
    writing.sealed(chain, *keys.newest())
    after = {"chain": str(chain.code), "through": last.number, "entries": count}
    writing.record_installation(
        actor=actor,
        action="record.removed",
        subject=f"{chain.get_kind_display()} {chain.name}"[:120],
        after=after,
        now=now,
    )
    return count
