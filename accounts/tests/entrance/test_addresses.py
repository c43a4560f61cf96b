"""Whose request it is: one truth for pages, sign-in, the API and the operator."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory

from accounts.entrance.addresses import bucket, client_address
from accounts.middleware import ClientAddress

PROXY, STRANGER, CLIENT = "10.0.0.5", "203.0.113.7", "198.51.100.1"
# The addresses of documentation are private ones to Python; somebody in the open network has this.
FAR = "9.9.9.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"{CLIENT}:52100", CLIENT),
        (PROXY, "[2001:db8::7]:443", "2001:db8::7"),
        (PROXY, f"1.2.3.4, {CLIENT}", CLIENT),
        (PROXY, f"{CLIENT}, 10.0.0.9", CLIENT),
        (PROXY, "", PROXY),
        (PROXY, "nonsense", PROXY),
        (PROXY, "::ffff:198.51.100.1", CLIENT),
        (STRANGER, CLIENT, STRANGER),
        (STRANGER, f"{CLIENT}, {PROXY}", STRANGER),
        (None, CLIENT, None),
    ],
)
def test_a_forwarded_address_counts_from_a_trusted_proxy_only(
    peer: str | None, forwarded: str, address: str | None
) -> None:
    assert client_address(peer, forwarded, ["10.0.0.0/8"]) == address


def test_all_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert bucket("2001:db8:1:2:aaaa::1") == bucket("2001:db8:1:2:ffff::9") != bucket("2001:db8:1:3::1")
    assert (bucket(CLIENT), bucket(None)) == (CLIENT, "unknown")


def seen(settings: Any, peer: str, **headers: str) -> tuple[str, bool, str]:
    """What a view learns of its request: the address, whether it came encrypted, and X-Forwarded-For."""
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    learned: list[tuple[str, bool, str]] = []

    def view(request: HttpRequest) -> HttpResponse:
        learned.append((request.META["REMOTE_ADDR"], request.is_secure(), request.headers.get("x-forwarded-for", "")))
        return HttpResponse()

    ClientAddress(view)(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))
    return learned[0]


def test_a_view_learns_the_client_behind_our_proxy(settings: Any) -> None:
    assert seen(settings, PROXY, x_forwarded_for=CLIENT, x_forwarded_proto="https") == (CLIENT, True, "")
    assert seen(settings, PROXY, x_forwarded_for=CLIENT, x_forwarded_proto="http") == (CLIENT, False, "")


def test_a_stranger_cannot_claim_an_address_or_an_encrypted_line(settings: Any) -> None:
    assert seen(settings, STRANGER, x_forwarded_for=CLIENT, x_forwarded_proto="https") == (STRANGER, False, "")


async def test_two_headers_of_one_name_cannot_pass_for_the_proxys(settings: Any) -> None:
    """As the web server hands them on: the client's own line first, the proxy's after it."""
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    addresses: list[str] = []
    settings.MIDDLEWARE = ["accounts.middleware.ClientAddress", f"{__name__}.Noting"]
    Noting.addresses = addresses
    await AsyncClient().get("/healthz", headers={"X-Forwarded-For": f"192.0.2.1,{CLIENT}"})
    assert addresses == [CLIENT]


class Noting:
    """A middleware that writes down whose request it is."""

    addresses: list[str]

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        self.addresses.append(request.META["REMOTE_ADDR"])
        return self.get_response(request)


def test_a_proxy_that_nobody_trusts_is_named_once_in_the_log(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="accounts"):
        seen(settings, "192.168.7.7", x_forwarded_for=CLIENT)
        seen(settings, "192.168.7.7", x_forwarded_for=CLIENT)
        seen(settings, FAR, x_forwarded_for=CLIENT)
        seen(settings, PROXY, x_forwarded_for=CLIENT)
    assert [record.args for record in caplog.records] == [("192.168.7.7",)]
