"""Appends entries: each to the chain of its team, of its person, or of the installation."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.audit import digests, keys, origin
from accounts.models import AuditChain, AuditEntry, AuditKey, ChainKind, Team, User

INSTALLATION = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What happened, before it has a place in a chain."""

    actor: User | None
    action: str
    subject: str
    now: datetime
    before: Any = None
    after: Any = None


@transaction.atomic
def record(
    *, team: Team, actor: User | None, action: str, subject: str, now: datetime, before: Any = None, after: Any = None
) -> AuditEntry:
    """Append an entry to the team's chain."""
    deed = Deed(actor=actor, action=action, subject=subject, now=now, before=before, after=after)
    return _append(chain_of_team(team), deed)


@transaction.atomic
def record_person(
    *,
    person: User,
    actor: User | None,
    action: str,
    subject: str,
    now: datetime,
    before: Any = None,
    after: Any = None,
    teams: Iterable[Team] = (),
    shared: Any = None,
) -> AuditEntry:
    """Append an entry to the person's own chain, and to those of `teams` one that says only what is `shared`."""
    deed = Deed(actor=actor, action=action, subject=subject, now=now, before=before, after=after)
    entry = _append(chain_of_person(person), deed)
    # In one order, so that two people of the same teams never wait for each other.
    for team in sorted(teams, key=lambda team: team.pk):
        deed = Deed(actor=actor, action=f"member.{action}", subject=person.email[:120], now=now, after=shared)
        _append(chain_of_team(team), deed, with_address=False)
    return entry


@transaction.atomic
def record_installation(
    *, actor: User | None, action: str, subject: str, now: datetime, before: Any = None, after: Any = None
) -> AuditEntry:
    """Append an entry to the installation's chain: what concerns no team and no person's account."""
    deed = Deed(actor=actor, action=action, subject=subject, now=now, before=before, after=after)
    return _append(chain_of_installation(), deed)


def chain_of_team(team: Team) -> AuditChain:
    """The team's chain, made with its first entry."""
    name = {"kind": ChainKind.TEAM, "name": team.name, "code": team.code}
    return AuditChain.objects.get_or_create(team_id=team.pk, defaults=name)[0]


def chain_of_person(person: User) -> AuditChain:
    """The person's own chain, made with its first entry."""
    return AuditChain.objects.get_or_create(
        person_id=person.pk, defaults={"kind": ChainKind.PERSON, "name": person.email}
    )[0]


def chain_of_installation() -> AuditChain:
    """The chain of what concerns the installation."""
    name = {"kind": ChainKind.INSTALLATION, "name": "This installation"}
    return AuditChain.objects.get_or_create(code=INSTALLATION, defaults=name)[0]


def locked(chain: AuditChain) -> AuditChain:
    """The chain as it is now, with its row locked: two entries at once would follow the same one without it."""
    return AuditChain.objects.select_for_update(no_key=True).get(pk=chain.pk)


def hold(team: Team) -> None:
    """Lock the team's chain until the transaction ends.

    Code that records a change of the team's members, policies, terms or switches takes the same lock: it is done by then,
    or it waits.
    """
    locked(chain_of_team(team))


def sealed(chain: AuditChain, key: AuditKey, secret: bytes) -> None:
    """Write down where the chain ends and what was removed from it, under a seal."""
    chain.key, chain.seal = key, seal_of(chain, secret)
    chain.save(update_fields=["number", "head", "removed_number", "removed_head", "key", "seal"])


def seal_of(chain: AuditChain, secret: bytes) -> str:
    """The seal of a chain's ends."""
    ends = (chain.number, chain.head, chain.removed_number, chain.removed_head)
    return digests.sign(secret, digests.CHAIN, chain.code.hex, *ends)


def digest(entry: AuditEntry, chain: AuditChain, secret: bytes, number: int | None = None) -> str:
    """The signature that an entry should carry, at its own place or at another."""
    return digests.entry_digest(
        secret,
        chain=chain.code,
        number=entry.number if number is None else number,
        actor_name=entry.actor_name,
        action=entry.action,
        subject=entry.subject,
        before=entry.before,
        after=entry.after,
        at=entry.at,
        address=entry.address,
        origin=entry.origin,
        previous_hash=entry.previous_hash,
    )


def _append(chain: AuditChain, deed: Deed, *, with_address: bool = True) -> AuditEntry:
    chain = locked(chain)
    key, secret = keys.newest()
    source = origin.current()
    entry = AuditEntry(
        chain=chain,
        number=chain.number + 1,
        team_id=chain.team_id,
        actor=deed.actor,
        actor_name=deed.actor.email if deed.actor else "",
        action=deed.action,
        subject=deed.subject,
        before=deed.before,
        after=deed.after,
        at=deed.now,
        address=source.address if with_address else "",
        origin=source.by,
        previous_hash=chain.head,
        key=key,
    )
    entry.hash = digest(entry, chain, secret)
    entry.save(force_insert=True)
    chain.number, chain.head = entry.number, entry.hash
    sealed(chain, key, secret)
    return entry
