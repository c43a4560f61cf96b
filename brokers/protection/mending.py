"""Lapses of protection, from the broker's word to their end: seen, written down, mended once, and told.

A look decides by values alone; what follows is one transaction that holds the lapse's row, so that two processes, or one
that died in between, do nothing twice. What leaves is a ticket as any other: written before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from brokers import live
from brokers.domain.protection.scenes import Fault
from brokers.domain.protection.verdicts import PASSING, Act, Condition, Verdict, judge
from brokers.domain.protection.words import Story, Subject, in_words
from brokers.domain.sentences import grouped
from brokers.models import Lapse, Order
from brokers.notices import telling
from brokers.protection import deeds, scenes
from brokers.protection.scenes import Sighting


@dataclass(frozen=True, slots=True)
class Looked:
    """How many lapses a look has changed, and when it is worth another one by the clock alone."""

    changed: int = 0
    again_at: datetime | None = None


def look_at(positions: Iterable[tuple[int, int]], now: datetime) -> Looked:
    """Look at instruments, each as the key of its account and its contract, and do what follows."""
    changed, again_at = 0, None
    for account_pk, conid in sorted(set(positions)):
        looked = _look(account_pk, conid, now)
        changed += looked.changed
        if looked.again_at is not None and (again_at is None or looked.again_at < again_at):
            again_at = looked.again_at
    return Looked(changed, again_at)


def _look(account_pk: int, conid: int, now: datetime) -> Looked:
    sighting = scenes.load(account_pk, conid, now)
    if sighting is None:
        return Looked()
    verdict = judge(sighting.scene, sighting.choice, now)
    if verdict.code in PASSING:
        return Looked(0, verdict.again_at)
    lapse = sighting.lapse
    if verdict.condition is Condition.COVERED:
        return Looked(0 if lapse is None else _end(account_pk, conid, now), verdict.again_at)
    if lapse is None:
        return Looked(_begin(sighting, verdict, conid, now), verdict.again_at)
    if not verdict.steps and not _is_new(lapse, verdict):
        return Looked(0, verdict.again_at)
    return Looked(_go_on(account_pk, conid, now), verdict.again_at)


@transaction.atomic
def _begin(sighting: Sighting, verdict: Verdict, conid: int, now: datetime) -> int:
    """Open a lapse and do what is to be done; 1 where anything is new."""
    if not _matters(verdict):
        return 0
    lapse, is_new = _opened(conid, sighting, verdict, now)
    changed = _look_once_more(lapse, now, is_new=is_new)
    if is_new and not changed:
        # Somebody else opened one, mended it and ended it, all since we looked.
        lapse.delete()
    return changed


@transaction.atomic
def _go_on(account_pk: int, conid: int, now: datetime) -> int:
    """Hold the open lapse and do what is to be done; 1 where anything is new."""
    lapse = _open_ones(account_pk, conid).first()
    return 0 if lapse is None else _look_once_more(lapse, now, is_new=False)


def _look_once_more(lapse: Lapse, now: datetime, *, is_new: bool) -> int:
    """Look under the lapse's lock, which whoever acts for it holds: only what is true then is acted upon."""
    sighting = scenes.load(lapse.account_id, lapse.conid, now)
    if lapse.ended_at is not None or sighting is None:
        return 0
    verdict = judge(sighting.scene, sighting.choice, now)
    if not _matters(verdict):
        return 0
    for step in verdict.steps:
        deeds.do(step, lapse, sighting, now)
    changed = _write(lapse, sighting, verdict, now) or is_new
    if changed:
        telling.tell_of_lapse(lapse, now)
        _show(lapse)
    return int(changed)


def _open_ones(account_pk: int, conid: int) -> QuerySet[Lapse]:
    """The open lapse of an instrument, locked."""
    return Lapse.objects.select_for_update().filter(account=account_pk, conid=conid, ended_at=None)


def _matters(verdict: Verdict) -> bool:
    return verdict.condition is not Condition.COVERED and verdict.code not in PASSING and verdict.fault is not None


def _opened(conid: int, sighting: Sighting, verdict: Verdict, now: datetime) -> tuple[Lapse, bool]:
    """A lapse of the instrument begun, locked; or the one that somebody else has begun since, and False."""
    assert verdict.fault is not None, "nothing lapses without a fault"
    account, stop = sighting.account, _stop_of(sighting, verdict)
    story = in_words(verdict, _subject(sighting, stop, verdict.fault))
    try:
        with transaction.atomic():
            made = Lapse.objects.create(
                team_id=account.team_id,
                account=account,
                conid=conid,
                ticker=sighting.ticker,
                stop=stop,
                entry=sighting.entry,
                fault=verdict.fault,
                choice=sighting.choice,
                verdict=verdict.code,
                alarm=verdict.alarm,
                quantity=verdict.lacks,
                happened=story.happened,
                did=story.did,
                can_do=story.can_do,
                began_at=now,
                changed_at=now,
            )
        return Lapse.objects.select_for_update().get(pk=made.pk), True
    except IntegrityError:
        return _open_ones(account.pk, conid).get(), False


def _stop_of(sighting: Sighting, verdict: Verdict) -> Order | None:
    """The stop that a verdict is about: the one that is to change, else the one that is missing."""
    changed = [step.reference for step in verdict.steps if step.act in {Act.RESIZE, Act.CANCEL_STOP}]
    if changed:
        return Order.objects.get(account=sighting.account, reference=changed[0])
    return sighting.stop


def _subject(sighting: Sighting, stop: Order | None, fault: Fault) -> Subject:
    words = f"the stop of {sighting.ticker}"
    if stop is not None:
        at = _price_of(stop)
        words = f"the stop of {grouped(stop.quantity)} {stop.ticker}{f' at {at}' if at else ''}"
    has_reason = fault in {Fault.REFUSED, Fault.HALF_ACCEPTED, Fault.CANCELED, Fault.NOT_SENT}
    return Subject(stop=words, why=stop.reason if stop is not None and has_reason else "", ticker=sighting.ticker)


def _price_of(stop: Order) -> str:
    if stop.stop_price is not None:
        return grouped(stop.stop_price)
    if stop.trail_percent is not None:
        return f"{grouped(stop.trail_percent)} % behind the market"
    return "" if stop.trail_amount is None else f"{grouped(stop.trail_amount)} behind the market"


def _is_new(lapse: Lapse, verdict: Verdict) -> bool:
    """Whether a verdict says anything that the lapse does not."""
    return (verdict.code, verdict.alarm, str(verdict.fault)) != (lapse.verdict, lapse.alarm, str(lapse.fault))


def _write(lapse: Lapse, sighting: Sighting, verdict: Verdict, now: datetime) -> bool:
    """Write the verdict into the lapse; True where it says anything new. A deed is not overwritten by the wait for it."""
    assert verdict.fault is not None, "nothing lapses without a fault"
    stop = _stop_of(sighting, verdict)
    story = in_words(verdict, _subject(sighting, stop, verdict.fault))
    quiet = not verdict.steps and not verdict.alarm and lapse.verdict == "mending"
    if not verdict.steps and (quiet or not _is_new(lapse, verdict)):
        return False
    lapse.fault, lapse.choice, lapse.verdict, lapse.alarm = verdict.fault, sighting.choice, verdict.code, verdict.alarm
    lapse.quantity = verdict.lacks
    lapse.stop, lapse.entry = stop or lapse.stop, sighting.entry or lapse.entry
    _tell(lapse, story)
    lapse.changed_at = now
    lapse.save()
    return True


def _tell(lapse: Lapse, story: Story) -> None:
    lapse.happened, lapse.did, lapse.can_do = story.happened, story.did, story.can_do


def _show(lapse: Lapse) -> None:
    """After commit, pages that show the stop, its entry or the position show the lapse."""
    for order in (lapse.stop, lapse.entry):
        if order is not None:
            live.order_changed(order)
    live.account_changed(lapse.account)


@transaction.atomic
def _end(account_pk: int, conid: int, now: datetime) -> int:
    lapse = _open_ones(account_pk, conid).first()
    if lapse is None:
        return 0
    sighting = scenes.load(account_pk, conid, now)
    if sighting is None or judge(sighting.scene, sighting.choice, now).condition is not Condition.COVERED:
        return 0
    lapse.outcome = _outcome(sighting)
    lapse.ended_at, lapse.changed_at, lapse.alarm = now, now, False
    lapse.save(update_fields=["outcome", "ended_at", "changed_at", "alarm"])
    telling.settle_lapse(lapse, now)
    _show(lapse)
    return 1


def _outcome(sighting: Sighting) -> str:
    scene = sighting.scene
    if scene.held > 0:
        foreign = any(not stop.ours for stop in scene.stops)
        own = any(stop.ours for stop in scene.stops)
        if foreign and not own:
            return "A stop that was placed at IBKR, and not by Halyard, protects the position."
        return "A stop works for the position." if scene.stops else "An order that closes the position is on its way."
    if scene.entries:
        return "A stop works for the entry."
    return "Nothing is held any more, and no entry works."
