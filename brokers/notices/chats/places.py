"""Destinations are made, tested, paused and removed by the member whose they are."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import Membership
from accounts.refusals import Refusal
from accounts.vault.fields import Sealed
from brokers import dialing
from brokers.connections.reach import reach_of
from brokers.domain.addresses import AddressRefused
from brokers.domain.chats.destinations import DeliveryStatus, Service, WrongSettings, address_in, checked, secret_of
from brokers.domain.chats.urls import location_of
from brokers.domain.notices import NoticeKind
from brokers.models import Delivery, Destination
from brokers.notices.chats import delivering

MOST = 10


class DestinationRefused(Refusal):
    """It is not made; the message is a sentence. `field` names the place of the form, "" for all of it."""

    def __init__(self, reason: str, code: str, field: str = "") -> None:
        super().__init__(reason, code)
        self.field = field


def make(
    *, membership: Membership, service: Service, name: str, values: Mapping[str, str], now: datetime
) -> tuple[Destination, str]:
    """A new destination, and the secret that it signs with: shown once, "" for what signs nothing. Raises DestinationRefused."""
    secret = secret_of(secrets.token_bytes(32)) if service is Service.WEBHOOK else ""
    try:
        settings = checked(service, {**values, "secret": secret})
        place = location_of(address_in(settings))
        with dialing.on_behalf_of(str(membership.team_id)):
            dialing.check(place, reach_of(place))
    except WrongSettings as wrong:
        raise DestinationRefused(str(wrong), f"invalid-{wrong.field}", wrong.field) from wrong
    except AddressRefused as refused:
        field = "url" if "url" in settings else "server"
        raise DestinationRefused(str(refused), refused.code, field) from refused
    if not (name := name.strip()[:40]):
        raise DestinationRefused("Give it a name, by which you know it again.", "name-missing", "name")
    if membership.destinations.count() >= MOST:
        raise DestinationRefused(f"You have {MOST} already. Remove one first.", "too-many-destinations")
    try:
        with transaction.atomic():
            made = Destination.objects.create(
                membership=membership,
                team=membership.team,
                service=service,
                name=name,
                settings=Sealed.of(settings),
                host=place.host,
                created_at=now,
            )
            _audit(made, "made", now)
    except IntegrityError as error:
        raise DestinationRefused("You have one of this name already.", "name-taken", "name") from error
    return made, secret


def choose(destination: Destination, kinds: Iterable[str]) -> None:
    """Let these kinds of notice go there, and no others."""
    wanted = set(kinds)
    destination.silenced = [str(kind) for kind in NoticeKind if str(kind) not in wanted]
    destination.save(update_fields=["silenced"])


@transaction.atomic
def pause(destination: Destination, now: datetime, *, paused: bool) -> None:
    """Send nothing there, or send again. What waits for it is not sent later."""
    destination.paused = paused
    destination.save(update_fields=["paused"])
    if paused:
        waiting = Delivery.objects.filter(destination=destination, status=DeliveryStatus.WAITING)
        waiting.update(status=DeliveryStatus.FAILED, error="Paused.")
    _audit(destination, "paused" if paused else "resumed", now)


@transaction.atomic
def remove(destination: Destination, now: datetime) -> None:
    """Forget it with its secrets, and what became of notices there."""
    _audit(destination, "removed", now)
    destination.delete()


def test(destination: Destination, now: datetime) -> str:
    """Send a word there at once; what became of it, as a sentence. What takes it is no longer broken."""
    return delivering.send_test(destination, now)


def _audit(destination: Destination, what: str, now: datetime) -> None:
    member = destination.membership
    audit.record(
        team=member.team,
        actor=member.user,
        action=f"destination.{what}",
        subject=destination.name,
        now=now,
        after={"service": destination.service, "host": destination.host},
    )
