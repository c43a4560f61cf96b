"""Where users may send our server: what the operator allows, and whether an address that somebody fills in is within it."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings

from brokers import dialing
from brokers.domain import addresses
from brokers.domain.addresses import Location, Reach


def reach() -> Reach:
    """What the operator of this installation allows beside public addresses."""
    own = addresses.PRIVATE if settings.TRUST_PRIVATE_GATEWAYS else ()
    return Reach(
        networks=(*own, *addresses.networks(settings.GATEWAY_RANGES)), ports=addresses.ports(settings.GATEWAY_PORTS)
    )


def reach_of(location: Location) -> Reach:
    """Where an address may lead: over plain http to this machine and no further."""
    return reach() if location.secure else replace(reach(), only_here=True)


def check_address(url: str, team: str = "") -> None:
    """Refuse a gateway address the server must not be sent to: it is fetched from inside our network."""
    location = addresses.location(url)
    within = reach_of(location)
    with dialing.on_behalf_of(team):
        dialing.check(location, within)
