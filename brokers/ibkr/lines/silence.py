"""Why no request came through: asked of the address itself, where silence and the wrong protocol look the same."""

from __future__ import annotations

import ssl
from dataclasses import replace

import aiohttp

from brokers import certificates, dialing
from brokers.domain import addresses
from brokers.domain.addresses import AddressRefused, Reach
from brokers.domain.brokerage import BrokerUnavailable
from brokers.ibkr import credentials
from brokers.names import TooManyNames

# What web servers write into a page of 400 where the line, and not the request, is wrong.
_PAGES = {
    b"SSL certificate": "client-certificate-wanted",
    b"plain HTTP request": "gateway-speaks-https",
    b"HTTP request to an HTTPS": "gateway-speaks-https",
    b"requires TLS": "gateway-speaks-https",
}
# How TLS says over plain http that it does not understand.
_ALERT = r"b'\x15\x03"


def said_by_page(status: int, page: bytes) -> str:
    """The code of what a web server's own page says of the line; "" where it says nothing of it."""
    return next((code for words, code in _PAGES.items() if status == 400 and words in page[:2000]), "")


def is_alert(problem: BaseException) -> bool:
    """Whether what came in place of http is TLS."""
    return isinstance(problem, aiohttp.ClientResponseError) and _ALERT in problem.message


async def explain(
    base_url: str, reach: Reach, team: str, problem: BaseException, tls: ssl.SSLContext | bool
) -> BrokerUnavailable | None:
    """The error that an unanswered request is where the address speaks another protocol or ends no handshake; None where
    it is silence as such. Nothing is sent but a handshake."""
    try:
        location = addresses.location(base_url)
        with dialing.on_behalf_of(team):
            match problem:
                case aiohttp.ConnectionTimeoutError() if location.secure:
                    return await _hung(location, reach)
                case aiohttp.ClientConnectorError() if location.secure:
                    return None
                case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if location.secure:
                    context = tls if isinstance(tls, ssl.SSLContext) else ssl.create_default_context()
                    return await _turned_away(location, reach, context)
                case TimeoutError():
                    return None
                case _ if not location.secure:
                    return await _plain(location, replace(reach, only_here=True))
                case _:
                    return None
    except (AddressRefused, TooManyNames, OSError):
        return None


async def _hung(location: addresses.Location, reach: Reach) -> BrokerUnavailable | None:
    """Of https where no line came about in time: somebody takes the call, or nobody does."""
    [address, *_] = await certificates.look_up(location, reach)
    taken = await certificates.takes_calls(location, reach, address)
    return credentials.no_line("handshake-unanswered") if taken else None


async def _turned_away(location: addresses.Location, reach: Reach, tls: ssl.SSLContext) -> BrokerUnavailable | None:
    """Of https where the line broke after the handshake."""
    for address in (await certificates.look_up(location, reach))[:4]:
        if await certificates.is_turned_away(location, reach, address, tls):
            return credentials.no_line("client-certificate-wanted")
    return None


async def _plain(location: addresses.Location, reach: Reach) -> BrokerUnavailable | None:
    """Of plain http that was answered with nothing that is http."""
    for address in (await certificates.look_up(location, reach))[:4]:
        if await certificates.speaks_tls(location, reach, address):
            return credentials.no_line("gateway-speaks-https")
    return None
