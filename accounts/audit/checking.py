"""Whether a chain is as it was written, and if not, which of its entries is the first that does not fit, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import F

from accounts.audit import digests, keys, writing
from accounts.models import AuditChain, AuditEntry, AuditKey, Team

CHUNK = 500
# How far from its place an entry is looked for before it counts as changed.
NEAR = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing in a chain that does not fit. `number` is the place in the chain, `kind` a stable word."""

    chain: str
    number: int
    kind: str
    sentence: str


@dataclass(slots=True)
class Whole:
    """What was looked at in a chain without a fault."""

    entries: int = 0
    removed: int = 0


def check(chain: AuditChain) -> Fault | Whole:
    """Walk the chain from its first entry to its last, a chunk at a time."""
    while True:
        chain = AuditChain.objects.get(pk=chain.pk)
        result = _walk(chain)
        # A lawful removal meanwhile looks like an unlawful one.
        if AuditChain.objects.filter(pk=chain.pk, removed_number=chain.removed_number).exists():
            return result


def chains(team: Team | None = None) -> Iterator[AuditChain]:
    """All chains in the order they were begun, or a team's."""
    rows = AuditChain.objects.order_by("pk")
    return (rows.filter(team=team) if team is not None else rows).iterator(chunk_size=CHUNK)


def without_chain() -> Iterator[Team]:
    """Teams of which nothing is recorded, not even that they were founded."""
    return Team.objects.filter(audit_chain=None).order_by("pk").iterator(chunk_size=CHUNK)


def _walk(chain: AuditChain) -> Fault | Whole:
    secrets = {key.pk: keys.secret_of(key) for key in AuditKey.objects.all()}
    if fault := _ends(chain, secrets):
        return fault
    previous, number = chain.removed_head, chain.removed_number
    rows = AuditEntry.objects.filter(chain=chain, number__gt=chain.removed_number, number__lte=chain.number)
    for entry in rows.order_by("number").iterator(chunk_size=CHUNK):
        number += 1
        if entry.number != number:
            missing = f"{number}" if entry.number == number + 1 else f"{number} to {entry.number - 1}"
            return _fault(chain, number, "removed", f"was removed: the next one is number {entry.number}", missing)
        if fault := _unfit(chain, entry, previous, secrets.get(entry.key_id)):
            return fault
        previous = entry.hash
    if number != chain.number:
        return _fault(chain, number + 1, "removed", f"was removed, and all up to number {chain.number}")
    if previous != chain.head:
        return _fault(chain, number, "changed", "was exchanged: the chain ends with another one")
    return _strays(chain) or Whole(entries=number - chain.removed_number, removed=chain.removed_number)


def _ends(chain: AuditChain, secrets: dict[int, bytes | None]) -> Fault | None:
    """Whether the chain's own row is as we wrote it."""
    secret = secrets.get(chain.key_id or 0)
    if secret is None:
        return _fault(
            chain, chain.number, "key-missing", "cannot be checked: none of our keys opens the key of its chain"
        )
    if not digests.same(chain.seal, writing.seal_of(chain, secret)):
        return Fault(
            name_of(chain),
            chain.number,
            "ends-changed",
            f"{name_of(chain)}: what says where this chain begins and ends was changed, so entries at either end may be gone.",
        )
    return None


def _unfit(chain: AuditChain, entry: AuditEntry, previous: str, secret: bytes | None) -> Fault | None:
    if secret is None:
        return _fault(
            chain, entry.number, "key-missing", "cannot be checked: none of our keys opens the key it was signed with"
        )
    if not digests.same(entry.hash, writing.digest(entry, chain, secret)):
        if (place := _place(chain, entry, secret)) is not None:
            return _fault(
                chain, entry.number, "moved", f"was written as number {place}: entries were put in another order"
            )
        return _fault(chain, entry.number, "changed", "was changed, or was never written by us")
    if entry.previous_hash != previous:
        return _fault(chain, entry.number, "unlinked", "does not follow from the one before it, which was exchanged")
    if entry.team_id not in (None, chain.team_id):
        return _fault(chain, entry.number, "changed", "was put under another team")
    return None


def _place(chain: AuditChain, entry: AuditEntry, secret: bytes) -> int | None:
    """The number under which this very entry was signed, looked for near its present one."""
    first, last = max(1, entry.number - NEAR), min(chain.number, entry.number + NEAR)
    return next(
        (n for n in range(first, last + 1) if digests.same(entry.hash, writing.digest(entry, chain, secret, n))), None
    )


def _strays(chain: AuditChain) -> Fault | None:
    """Entries outside the ends of their chain. One statement sees both at the same moment."""
    rows = AuditEntry.objects.filter(chain=chain).order_by("number")
    if (late := rows.filter(number__gt=F("chain__number")).first()) is not None:
        return _fault(chain, late.number, "inserted", "was put behind the end of the chain")
    if (early := rows.filter(number__lte=F("chain__removed_number")).first()) is not None:
        return _fault(chain, early.number, "inserted", "was put where entries had been removed lawfully")
    return None


def _fault(chain: AuditChain, number: int, kind: str, what: str, which: str = "") -> Fault:
    return Fault(name_of(chain), number, kind, f"{name_of(chain)}: entry {which or number} {what}.")


def name_of(chain: AuditChain) -> str:
    """What a chain is called in sentences."""
    label = chain.get_kind_display()
    return f"{label} {chain.name} ({chain.code})" if chain.code != writing.INSTALLATION else label
