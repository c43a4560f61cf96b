"""The entries of before are signed in the order in which they were written, a chunk at a time."""

import hashlib
import json
import uuid
from datetime import UTC

from django.db import migrations
from django.db.models import F
from django.utils import timezone

from accounts.audit import digests
from accounts.vault.fields import Sealed

CHUNK = 500


def old_digest(entry):
    """As entries were hashed until now, without a key."""
    content = [
        str(entry.team_id), str(entry.actor_id), entry.action, entry.subject, entry.before, entry.after,
        entry.at.astimezone(UTC).isoformat(), entry.previous_hash,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def rows_of(apps, schema_editor, model):
    """The rows of a model in the database that is being migrated."""
    return apps.get_model("accounts", model).objects.using(schema_editor.connection.alias)


def by_team(entries):
    """All entries, the chains one after the other, each in its order; never more than a chunk in memory."""
    rows = entries.select_related("actor", "team").order_by(F("team_id").asc(nulls_first=True), "id")
    return rows.iterator(chunk_size=CHUNK)


def chain_entries(apps, schema_editor):
    """Give each entry its place and its signature, in the order in which they were written."""
    entries, chains, keys = (rows_of(apps, schema_editor, f"Audit{name}") for name in ("Entry", "Chain", "Key"))
    if not entries.exists():
        return
    secret = uuid.uuid4().bytes + uuid.uuid4().bytes
    key = keys.create(secret=Sealed.of({"audit key": secret.hex()}))
    chain, unfit, old_previous, waiting = None, None, "", []
    for entry in by_team(entries):
        if chain is None or chain.team_id != entry.team_id:
            end(entries, chain, key, secret, unfit, waiting)
            chain, unfit, old_previous = begun(chains, entry), None, ""
        if unfit is None and (entry.previous_hash != old_previous or entry.hash != old_digest(entry)):
            unfit = chain.number + 1
        old_previous = entry.hash
        entry.actor_name = entry.actor.email if entry.actor_id else ""
        place(entry, chain, key, secret)
        waiting.append(entry)
        if len(waiting) == CHUNK:
            written(entries, waiting)
    end(entries, chain, key, secret, unfit, waiting)


def begun(chains, entry):
    if entry.team_id is None:
        return chains.create(kind="installation", name="This installation", code=uuid.UUID(int=0))
    return chains.create(kind="team", name=entry.team.name, team_id=entry.team_id, code=entry.team.code)


def place(entry, chain, key, secret):
    entry.chain, entry.number, entry.key, entry.previous_hash = chain, chain.number + 1, key, chain.head
    entry.hash = digests.entry_digest(
        secret,
        chain=chain.code,
        number=entry.number,
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
    chain.number, chain.head = entry.number, entry.hash


def end(entries, chain, key, secret, unfit, waiting):
    """Close a chain with an entry that says how much was taken over, and whether all of it fitted until then."""
    written(entries, waiting)
    if chain is None:
        return
    last = entries.model(
        team_id=chain.team_id, action="record.signed", subject=chain.name[:120], at=timezone.now(), before=None,
        after={"entries": chain.number, "first_that_did_not_fit": unfit}, actor_name="", address="", origin="command migrate",
    )
    place(last, chain, key, secret)
    last.save(force_insert=True, using=entries.db)
    chain.key = key
    ends = (chain.number, chain.head, chain.removed_number, chain.removed_head)
    chain.seal = digests.sign(secret, digests.CHAIN, chain.code.hex, *ends)
    chain.save(using=entries.db)


def written(entries, waiting):
    fields = ["chain", "number", "key", "actor_name", "previous_hash", "hash"]
    entries.bulk_update(waiting, fields, batch_size=CHUNK)
    waiting.clear()


def unchain_entries(apps, schema_editor):
    """Hash the entries as before, so that the commit before reads its chains."""
    entries = rows_of(apps, schema_editor, "AuditEntry")
    previous, team, waiting = "", None, []
    for entry in by_team(entries):
        if entry.team_id != team:
            previous, team = "", entry.team_id
        entry.previous_hash = previous
        entry.hash = previous = old_digest(entry)
        waiting.append(entry)
        if len(waiting) == CHUNK:
            entries.bulk_update(waiting, ["previous_hash", "hash"], batch_size=CHUNK)
            waiting.clear()
    entries.bulk_update(waiting, ["previous_hash", "hash"], batch_size=CHUNK)


class Migration(migrations.Migration):
    # Alone, so that no table is altered while checks of its rows wait for the end of the transaction.
    dependencies = [("accounts", "0008_audit_chains")]

    operations = [migrations.RunPython(chain_entries, unchain_entries)]
