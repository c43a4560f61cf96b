"""Notices go to chats and programs: each is claimed before it is sent, and one that hangs keeps no other.

A service that certainly did not take a notice is asked again, later each time; what it may have taken is never sent twice.
Of many that wait for one destination one message says how many they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from django.conf import settings as project
from django.db.models import F
from django.urls import reverse
from yarl import URL

from accounts.models import Membership, Role
from accounts.turns import in_turn
from accounts.vault.keys import VaultError
from brokers.connections.reach import reach_of
from brokers.dialing import DialRefused, Way, on_behalf_of
from brokers.domain.addresses import AddressRefused
from brokers.domain.chats import destinations
from brokers.domain.chats.destinations import Broken, Call, DeliveryStatus, Later, Said, Service, Taken, Verdict
from brokers.domain.chats.urls import location_of
from brokers.domain.notices import NoticeKind
from brokers.models import Delivery, Destination, Notice
from brokers.notices import telling
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

# One call takes so many of all teams, one destination of each in turn, so many at once.
MOST, AT_ONCE = 500, 20
# A service that has not answered for so long has perhaps taken it.
SECONDS = 10.0
# After a try that certainly sent nothing; twice as long each time, as long as a notice says something of now.
PAUSE = timedelta(seconds=30)
# A worker that did not come back from sending for so long has died there.
LONGEST = timedelta(minutes=10)
# Of more that wait for one destination a single message tells.
MOST_ALONE = 3
_READ = 2_000
_OWN = "halyard-notices"
# News that need nobody.
_CALM = frozenset({NoticeKind.READY_AGAIN, NoticeKind.WEEKLY_SIGN_IN})


class Lost(Exception):
    """Nobody knows whether it was taken."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What goes to one destination in one call: the keys of its deliveries, and what is sent."""

    destination: Destination
    keys: list[int]
    call: Call


def send(now: datetime) -> int:
    """Send what waits; returns how many notices were taken."""
    lost = Delivery.objects.filter(status=DeliveryStatus.SENDING, sent_at__lte=now - LONGEST)
    lost.update(status=DeliveryStatus.LOST, error="Its sender ended before the service had answered.")
    waiting = Delivery.objects.filter(status=DeliveryStatus.WAITING, due_at__lte=now)
    keys = in_turn(waiting, MOST, team="destination__membership__team_id", order="pk")
    parcels = list(_parcels(_claimed(keys, now), now)) if keys else []
    return sum(asyncio.run(_deliver(parcels, now))) if parcels else 0


def _claimed(keys: Sequence[int], now: datetime) -> list[Delivery]:
    """Those of these deliveries that are ours to send: written down before any of them leaves."""
    found = []
    for key in keys:
        mine = Delivery.objects.filter(pk=key, status=DeliveryStatus.WAITING)
        if mine.update(status=DeliveryStatus.SENDING, sent_at=now, tries=F("tries") + 1):
            found.append(key)
    rows = Delivery.objects.select_related(
        "notice__connection__team", "destination__membership__user", "destination__membership__team"
    )
    return list(rows.filter(pk__in=found).order_by("pk"))


def _parcels(rows: Iterable[Delivery], now: datetime) -> Iterable[_Parcel]:
    by_place: dict[int, list[Delivery]] = defaultdict(list)
    for row in rows:
        if row.notice.connection.team.closed_at is not None or now - row.notice.created_at > telling.STALE:
            _end([row.pk], DeliveryStatus.FAILED, "It came too late to be of use.")
        elif row.destination.paused or row.destination.is_broken:
            _end([row.pk], DeliveryStatus.FAILED, row.destination.trouble or "Paused.")
        elif not _may_read(row.destination.membership):
            _end([row.pk], DeliveryStatus.FAILED, "Its member is no owner of the team any more.")
        else:
            by_place[row.destination_id].append(row)
    for waiting in by_place.values():
        place = waiting[0].destination
        words = [(said(row.notice, place, now), [row.pk]) for row in waiting]
        if len(words) > MOST_ALONE:
            link = project.PUBLIC_URL + reverse("notices", args=[place.membership.team.code])
            words = [(destinations.several([each for each, _ in words], link, now), [row.pk for row in waiting])]
        yield from _packed(place, words, now)


def _may_read(member: Membership) -> bool:
    """Whether somebody is told of the team still: much may happen while a service is away."""
    return member.role == Role.OWNER and member.user.is_active and member.user.deleted_at is None


def _packed(place: Destination, words: Iterable[tuple[Said, list[int]]], now: datetime) -> Iterable[_Parcel]:
    """The calls for one destination. One whose secrets nobody can read is broken, and keeps no other's from being sent."""
    kept = list(words)
    try:
        settings = place.settings.open()
        yield from [
            _Parcel(place, keys, destinations.call_of(Service(place.service), settings, each, now))
            for each, keys in kept
        ]
    except (VaultError, KeyError, ValueError):
        log.error("The secrets of destination %s cannot be read", place.pk)
        nothing = _Parcel(place, [key for _, keys in kept for key in keys], Call(url="", body=b""))
        _conclude(nothing, Broken("What Halyard knew of it cannot be read any more. Remove it and add it again."), now)


def said(notice: Notice, place: Destination, now: datetime) -> Said:
    """A notice in words for the member whose destination it is."""
    words = telling.in_words(notice, place.membership.user, now)
    return Said(
        id=f"notice-{notice.pk}",
        kind=str(notice.kind),
        subject=words.subject,
        text="\n".join(words.sentences),
        link=telling.page_of(notice),
        at=notice.created_at,
        urgent=NoticeKind(notice.kind) not in _CALM,
    )


async def _deliver(parcels: Sequence[_Parcel], now: datetime) -> list[int]:
    gate, threads = asyncio.Semaphore(AT_ONCE), Threads(size=2)
    # Those of one destination one after the other, in their order.
    by_place: dict[int, list[_Parcel]] = defaultdict(list)
    for parcel in parcels:
        by_place[parcel.destination.pk].append(parcel)

    async def one_place(own: list[_Parcel]) -> int:
        taken = 0
        for parcel in own:
            with on_behalf_of(str(parcel.destination.team_id)):
                async with gate:
                    verdict = await _asked(parcel)
            taken += len(parcel.keys) * await threads.run(_conclude, parcel, verdict, now)
        return taken

    try:
        return await asyncio.gather(*(one_place(own) for own in by_place.values()))
    finally:
        threads.close()


async def _asked(parcel: _Parcel) -> Verdict | Lost:
    try:
        return await post(Service(parcel.destination.service), parcel.call)
    except Lost as lost:
        return lost
    except Exception:
        # Whatever it was, the next one must not wait for it, and the address may be in its text.
        log.error("A notice for destination %s may not have arrived", parcel.destination.pk)
        return Lost("Nobody knows whether it arrived.")


async def post(service: Service, call: Call) -> Verdict:
    """Send one call and read what its answer says. Raises Lost where it may have been taken or not."""
    try:
        within = reach_of(location_of(call.url))
    except AddressRefused as refused:
        return Broken(str(refused))
    way = Way(within, once=True)
    try:
        async with asyncio.timeout(SECONDS):
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS / 2)
            headers = {"User-Agent": _OWN, **call.headers}
            async with way.request(
                "POST", URL(call.url, encoded=True), data=call.body, headers=headers, timeout=timeout
            ) as answer:
                body = (await answer.content.read(_READ)).decode("utf-8", "replace")
                return destinations.verdict_of(service, answer.status, answer.headers, body)
    except DialRefused as refused:
        return Broken(str(refused))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        refused_by = error.__cause__ or getattr(error, "os_error", None)
        if isinstance(refused_by, DialRefused):
            return Broken(str(refused_by))
        return Later("It cannot be reached. See that it runs, and test it again.")
    except (aiohttp.InvalidURL, ValueError):
        return Broken("Its address is none that can be gone to.")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Lost("It did not answer in time; it may have arrived.") from error
    finally:
        await way.close()


def _conclude(parcel: _Parcel, verdict: Verdict | Lost, now: datetime) -> bool:
    """Write down what became of a call; whether it was taken."""
    place = Destination.objects.filter(pk=parcel.destination.pk)
    match verdict:
        case Taken():
            _end(parcel.keys, DeliveryStatus.SENT, "")
            place.update(last_sent_at=now, trouble="", is_broken=False)
            return True
        case Broken(why):
            _end(parcel.keys, DeliveryStatus.FAILED, why)
            place.update(is_broken=True, trouble=why[:200])
            left = Delivery.objects.filter(destination=parcel.destination.pk, status=DeliveryStatus.WAITING)
            left.update(status=DeliveryStatus.FAILED, error=why[:200])
        case Later(why, wait):
            place.update(trouble=why[:200])
            for row in Delivery.objects.filter(pk__in=parcel.keys):
                due = now + max(wait, PAUSE * 2 ** min(row.tries - 1, 8))
                Delivery.objects.filter(pk=row.pk).update(
                    status=DeliveryStatus.WAITING, sent_at=None, due_at=due, error=why[:200]
                )
        case Lost():
            _end(parcel.keys, DeliveryStatus.LOST, str(verdict))
            place.update(trouble=str(verdict)[:200])
    return False


def _end(keys: Sequence[int], status: DeliveryStatus, error: str) -> None:
    Delivery.objects.filter(pk__in=keys).update(status=status, error=error[:200])


def send_test(destination: Destination, now: datetime) -> str:
    """Send a word to a destination at once; what became of it, as a sentence."""
    team = destination.membership.team
    word = Said(
        id=f"test-{destination.code}-{int(now.timestamp())}",
        kind="test",
        subject="Halyard can reach you here",
        text=f"This is a test. Notices of {team.name} come here.",
        link=project.PUBLIC_URL + reverse("notices", args=[team.code]),
        at=now,
    )
    parcels = list(_packed(destination, [(word, [])], now))
    if not parcels:
        destination.refresh_from_db()
        return destination.trouble
    try:
        with on_behalf_of(str(team.pk)):
            verdict: Verdict | Lost = asyncio.run(post(Service(destination.service), parcels[0].call))
    except Lost as lost:
        verdict = lost
    _conclude(parcels[0], verdict, now)
    match verdict:
        case Taken():
            return "It was taken."
        case Broken(why) | Later(why, _):
            return why
    return str(verdict)
