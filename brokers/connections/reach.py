"""Where users may send our server: what the operator allows, and whether an address that somebody fills in is within it."""

from __future__ import annotations

from django.conf import settings

from brokers import dialing
from brokers.domain import addresses
from brokers.domain.addresses import AddressRefused, Reach


def reach() -> Reach:
    """What the operator of this installation allows beside public addresses."""
    own = addresses.PRIVATE if settings.TRUST_PRIVATE_GATEWAYS else ()
    return Reach(
        networks=(*own, *addresses.networks(settings.GATEWAY_RANGES)), ports=addresses.ports(settings.GATEWAY_PORTS)
    )


def check_address(url: str, team: str = "") -> None:
    """Refuse a gateway address the server must not be sent to: it is fetched from inside our network."""
    location, within = addresses.location(url), reach()
    if not location.secure and not within.networks:
        raise AddressRefused("The gateway's address must start with https://.", "address-not-encrypted")
    with dialing.on_behalf_of(team):
        dialing.check(location, within)
