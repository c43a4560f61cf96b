"""Anchors: short signed lines that say where the record stood, for keeping where nobody who runs this can change them.

A line names one entry by its signature. The installation's line names an entry that holds the ends of all chains, so
that one line stands for everything written before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.audit import checking, digests, keys, writing
from accounts.audit.checking import Fault
from accounts.models import AuditChain, AuditEntry, AuditKey, Team, User

WORD = "halyard-audit-1"
ANCHORED = "record.anchored"
# Ends of chains in one entry.
MOST = 500
# The code of a chain, its last number and that entry's signature.
End = tuple[UUID, int, str]


class AnchorError(ValueError):
    """The line is none of ours, or proves nothing here; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a line says."""

    chain: UUID
    number: int
    hash: str
    made_at: datetime
    key: int
    seal: str

    def line(self) -> str:
        seconds = int(self.made_at.timestamp())
        return f"{WORD}:{self.chain.hex}:{self.number}:{self.hash}:{seconds}:{self.key}:{self.seal}"


@dataclass(slots=True)
class Proof:
    """What an anchor proves: nothing was rewritten, or what was; and the chains whose anchored entry is lawfully gone."""

    fault: Fault | None = None
    removed: list[str] = field(default_factory=list)


def of_team(team: Team, now: datetime) -> Anchor:
    """An anchor of the team's own chain."""
    return _of(writing.chain_of_team(team), now)


@transaction.atomic
def of_installation(actor: User | None, now: datetime) -> Anchor:
    """Write down where all chains end, in the installation's own, and anchor that."""
    # Locked until the last part is written: the parts of one anchor stand one behind the other.
    own = writing.locked(writing.chain_of_installation())
    chains = AuditChain.objects.exclude(pk=own.pk).order_by("pk").values_list("code", "number", "head")
    for part, chunk in enumerate(_chunks(chains.iterator(chunk_size=MOST))):
        ends = {code.hex: [number, head] for code, number, head in chunk}
        after = {"part": part + 1, "ends": ends}
        writing.record_installation(actor=actor, action=ANCHORED, subject=f"part {part + 1}", after=after, now=now)
    return _of(own, now)


def read(line: str) -> Anchor:
    """The anchor of a line; AnchorError when it is none of ours."""
    try:
        word, chain, number, digest, seconds, key, seal = line.strip().split(":")
        anchor = Anchor(
            chain=UUID(chain),
            number=int(number),
            hash=digest,
            made_at=datetime.fromtimestamp(int(seconds), UTC),
            key=int(key),
            seal=seal,
        )
    except (ValueError, OverflowError, OSError):
        word = ""
    if word != WORD:
        raise AnchorError(f"This is no anchor. One starts with {WORD} and stands on one line; copy all of it.")
    row = AuditKey.objects.filter(pk=anchor.key).first() if anchor.key < 2**63 else None
    secret = keys.secret_of(row) if row is not None else None
    if secret is None:
        raise AnchorError(
            "None of our keys opens the key that this anchor was signed with, so nothing proves it is ours."
        )
    if not digests.same(anchor.seal, _seal(anchor.chain, anchor.number, anchor.hash, seconds, secret)):
        raise AnchorError("The signature of this anchor does not fit: it was changed, or is not of this installation.")
    return anchor


def check(anchor: Anchor) -> Proof:
    """What of the record was rewritten since the anchor was made, in the chain it names and in those that it holds."""
    proof = Proof()
    if not _stands(proof, anchor.chain, anchor.number, anchor.hash):
        return proof
    entry = AuditEntry.objects.filter(chain__code=anchor.chain, number=anchor.number, action=ANCHORED).first()
    if entry is None:
        return proof
    first = anchor.number - _said(entry)["part"]
    parts = AuditEntry.objects.filter(chain__code=anchor.chain, number__gt=first, number__lte=anchor.number)
    for part in parts.order_by("number").iterator(chunk_size=10):
        for code, (number, digest) in _said(part)["ends"].items():
            _stands(proof, UUID(code), number, digest)
            if proof.fault:
                return proof
    return proof


def _said(entry: AuditEntry) -> dict[str, Any]:
    anchor: dict[str, Any] = entry.after or {}
    return anchor


def _of(chain: AuditChain, now: datetime) -> Anchor:
    chain = AuditChain.objects.get(pk=chain.pk)
    if not chain.number:
        raise AnchorError("Nothing is recorded here yet, so there is nothing to anchor.")
    key, secret = keys.newest()
    seal = _seal(chain.code, chain.number, chain.head, str(int(now.timestamp())), secret)
    return Anchor(chain=chain.code, number=chain.number, hash=chain.head, made_at=now, key=key.pk, seal=seal)


def _seal(chain: UUID, number: int, digest: str, seconds: str, secret: bytes) -> str:
    return digests.sign(secret, digests.ANCHOR, chain.hex, number, digest, int(seconds))[:32]


def _chunks(ends: Iterator[End]) -> Iterator[list[End]]:
    """At least one, be it empty, so that an anchor always has an entry of its own."""
    yield list(islice(ends, MOST))
    while chunk := list(islice(ends, MOST)):
        yield chunk


def _stands(proof: Proof, code: UUID, number: int, digest: str) -> bool:
    """Whether this chain still has this entry at this place; what is found instead is written into the proof."""
    chain = AuditChain.objects.filter(code=code).first()
    if chain is None:
        sentence = f"The chain {code}, which the anchor holds, is gone with all its entries."
        proof.fault = Fault(str(code), number, "chain-gone", sentence)
        return False
    name = checking.name_of(chain)
    if number and number == chain.removed_number:
        # The last that was removed lawfully: its digest is kept, so that it can be compared all the same.
        return _is_same(proof, name, number, chain.removed_head, digest)
    if number and number < chain.removed_number:
        # Removed lawfully since, which the seal of the chain proves: nothing of it is left that could be compared.
        proof.removed.append(name)
        return False
    kept = AuditEntry.objects.filter(chain=chain, number=number).values_list("hash", flat=True).first()
    if number and kept is None:
        sentence = f"{name}: entry {number}, which the anchor holds, is gone: the end of the chain was cut off."
        proof.fault = Fault(name, number, "cut-off", sentence)
        return False
    return kept is None or _is_same(proof, name, number, kept, digest)


def _is_same(proof: Proof, name: str, number: int, kept: str, digest: str) -> bool:
    """Whether the digest that is kept of an entry is the anchor's; if not, the proof says so."""
    if digests.same(kept, digest):
        return True
    sentence = f"{name}: entry {number} is not the one that the anchor holds: it, or one before it, was rewritten."
    proof.fault = Fault(name, number, "rewritten", sentence)
    return False
