"""Keys that Halyard makes for a connection: asked for on a page, made by a worker, finished with IBKR's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts import audit
from accounts.models import Team, User
from accounts.vault.fields import Sealed
from brokers import live
from brokers.connections.connections import ConnectionRefused
from brokers.domain.tokens import KeyStep
from brokers.ibkr.auth import keys, making
from brokers.models import Connection, KeySet

# The longest search, and some time for the rest.
IN_HAND = timedelta(seconds=making.LONGEST_SEARCH + 60)
MOST_OF_A_TEAM = 5
# Keys that nobody finishes are forgotten, secrets and all.
KEPT = timedelta(days=30)

PUBLIC_SIGNATURE, PUBLIC_ENCRYPTION, DH_FILE = "public_signature.pem", "public_encryption.pem", "dhparam.pem"
FILES = (PUBLIC_SIGNATURE, PUBLIC_ENCRYPTION, DH_FILE)


@transaction.atomic
def start(*, team: Team, actor: User | None, connection: Connection | None = None, now: datetime) -> KeySet:
    """Ask for new keys, for a new connection or for one that signs already."""
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if team.key_sets.count() >= MOST_OF_A_TEAM:
        raise ConnectionRefused(
            f"{MOST_OF_A_TEAM} sets of keys of this team wait to be finished. Finish or discard one first.",
            "too-many-key-sets",
        )
    made = KeySet.objects.create(
        team=team,
        actor=actor,
        connection=connection,
        consumer_key=making.new_consumer_key(),
        step_at=now,
        asked_at=now,
    )
    subject = connection.username if connection else "a new connection"
    audit.record(team=team, actor=actor, action="keys.asked_for", subject=subject, now=now)
    return made


@transaction.atomic
def discard(*, key_set: KeySet, actor: User | None, now: datetime) -> None:
    """Forget keys that no connection signs with yet."""
    KeySet.objects.filter(pk=key_set.pk).delete()
    audit.record(team=key_set.team, actor=actor, action="keys.discarded", subject=key_set.consumer_key, now=now)


def waits(now: datetime) -> bool:
    """Whether keys are to be made and nobody is at it. Who died at it is taken for gone, and so are keys that nobody
    finished for a month."""
    KeySet.objects.filter(asked_at__lt=now - KEPT).delete()
    KeySet.objects.filter(in_hand=True, in_hand_until__lte=now).update(in_hand=False, in_hand_until=None)
    return KeySet.objects.exclude(step=KeyStep.MADE).exists() and not KeySet.objects.filter(in_hand=True).exists()


def make_next(clock: Callable[[], datetime]) -> bool:
    """Make the keys that were asked for first; False where there are none, or another process is at it."""
    key_set = _taken(clock())
    if key_set is None:
        return False
    try:
        values: dict[str, str] = {}
        _step(key_set, KeyStep.SIGNATURE, clock())
        values[keys.SIGNATURE_KEY] = making.new_private_pem()
        _step(key_set, KeyStep.ENCRYPTION, clock())
        values[keys.ENCRYPTION_KEY] = making.new_private_pem()
        _step(key_set, KeyStep.PRIME, clock())
        values[keys.DH_PARAMETERS] = keys.group_pem(making.new_prime())
        _step(key_set, KeyStep.MADE, clock(), keys=Sealed.of(values))
    except making.SearchFailed:
        # Behind the others, and from the beginning.
        _step(key_set, KeyStep.WAITING, clock())
    finally:
        KeySet.objects.filter(pk=key_set.pk).update(in_hand=False, in_hand_until=None)
    return True


def _taken(now: datetime) -> KeySet | None:
    first = KeySet.objects.exclude(step=KeyStep.MADE).order_by("step_at", "pk").first()
    if first is None:
        return None
    try:
        with transaction.atomic():
            mine = KeySet.objects.filter(pk=first.pk, in_hand=False).exclude(step=KeyStep.MADE)
            return first if mine.update(in_hand=True, in_hand_until=now + IN_HAND) else None
    except IntegrityError:
        # Another set is being made.
        return None


def _step(key_set: KeySet, step: KeyStep, now: datetime, **columns: object) -> None:
    with transaction.atomic():
        KeySet.objects.filter(pk=key_set.pk).update(step=step, step_at=now, **columns)
        live.keys_changed(key_set)


def before(key_set: KeySet) -> int:
    """How many sets of keys are made before this one."""
    unmade = KeySet.objects.exclude(step=KeyStep.MADE)
    return unmade.filter(Q(step_at__lt=key_set.step_at) | Q(step_at=key_set.step_at, pk__lt=key_set.pk)).count()


def public_file(secrets: Mapping[str, str], name: str) -> str:
    """One of the three files that IBKR's page takes. The private halves stay here."""
    if name == DH_FILE:
        return keys.group_pem(*keys.group_of(secrets[keys.DH_PARAMETERS]))
    part, use = (keys.SIGNATURE_KEY, "signature") if name == PUBLIC_SIGNATURE else (keys.ENCRYPTION_KEY, "encryption")
    return keys.public_pem(keys.private_key(secrets[part], use))


def consumer_key_of(text: str) -> str:
    """The nine letters that IBKR's page was given. Raises ConnectionRefused."""
    letters = text.strip().upper()
    if not making.CONSUMER_KEY.fullmatch(letters):
        raise ConnectionRefused(
            "A consumer key is nine letters from A to Z. Type the ones that you gave IBKR's page.",
            "consumer-key-misspelled",
        )
    return letters
