"""Who may send to a webhook: listed addresses, TradingView alone, or senders that sign their messages."""

from __future__ import annotations

import functools
import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import NameOID

from strategies.domain.message.refusals import Refused, invalid
from strategies.webhook.passwords import matching, signing_keys

# The addresses TradingView sends from, and the subject of the certificate it shows (its support articles
# 43000529348 and 43000680459).
TRADINGVIEW_ADDRESSES = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
TRADINGVIEW_NAME, TRADINGVIEW_ORGANIZATION = "TradingView Webhooks", "TradingView, Inc."
SIGNATURE_HEADER = "Halyard-Signature"
TOLERANCE_SECONDS = 300
MOST_ADDRESSES = 50

_NAMES = {"emailAddress": NameOID.EMAIL_ADDRESS, "E": NameOID.EMAIL_ADDRESS}
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_FORM = f"{SIGNATURE_HEADER}: t=<Unix seconds>,v1=<hex HMAC-SHA256 of the seconds, a full stop and the body>"


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender, as the transport shows it. `certificate` is the subject that a trusted proxy has verified."""

    address: str | None = None
    certificate: str = ""
    signature: str = ""


UNKNOWN_SENDER = Sender()


@dataclass(frozen=True, slots=True)
class SenderRules:
    """What a strategy demands of its senders: nothing, unless its owner chose otherwise."""

    tradingview_only: bool = False
    allowed_addresses: tuple[str, ...] = ()
    signature_required: bool = False

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SenderRules:
        return cls(
            tradingview_only=values["tradingview_only"],
            allowed_addresses=tuple(values["allowed_addresses"]),
            signature_required=values["signature_required"],
        )


def check_sender(
    sender: Sender, rules: SenderRules, endpoint: UUID, body: bytes, received_at: datetime
) -> Refused | None:
    """Why this sender is refused; None when it may send. A signature that was sent must be right in any case."""
    shown = sender.address or "an unknown address"
    if rules.tradingview_only and not is_tradingview(sender):
        return invalid(
            "not-trading-view",
            f"This strategy takes signals from TradingView only, and this came from {shown}. "
            "Change who may send on the strategy's page.",
        )
    if rules.allowed_addresses and not is_listed(sender.address, rules.allowed_addresses):
        return invalid(
            "invalid-ip-address",
            f"{shown} is not on this strategy's list of addresses. Add it on the strategy's page, or send from one "
            "that is.",
        )
    if sender.signature or rules.signature_required:
        return _check_signature(sender.signature, endpoint, body, received_at)
    return None


def is_tradingview(sender: Sender) -> bool:
    """Whether the address or the certificate is TradingView's; each of them is proof enough."""
    return sender.address in TRADINGVIEW_ADDRESSES or _is_tradingview_certificate(sender.certificate)


@functools.lru_cache(maxsize=100)
def _is_tradingview_certificate(subject: str) -> bool:
    """Whether a subject (RFC 4514, or OpenSSL's older form with slashes) names TradingView's webhooks."""
    text = ",".join(part for part in subject.split("/") if part) if subject.startswith("/") else subject
    # In the older form a comma inside a value is bare.
    text = text.replace("TradingView, Inc.", r"TradingView\, Inc.") if subject.startswith("/") else text
    try:
        name = x509.Name.from_rfc4514_string(text, _NAMES)
    except ValueError:
        return False
    names = {
        oid: [attribute.value for attribute in name.get_attributes_for_oid(oid)]
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    }
    return names == {
        NameOID.COMMON_NAME: [TRADINGVIEW_NAME],
        NameOID.ORGANIZATION_NAME: [TRADINGVIEW_ORGANIZATION],
    }


def is_listed(address: str | None, listed: Sequence[str]) -> bool:
    """Whether an address is one of those listed, or within one of the networks listed."""
    if address is None:
        return False
    host = ipaddress.ip_address(address)
    return any(host in network for network in _networks(tuple(listed)))


@functools.lru_cache(maxsize=1_000)
def _networks(listed: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(word, strict=False) for word in listed)


def signature_seconds(signature: str) -> str:
    """The time a message was signed at, as its signature says; empty without one."""
    match = _SIGNATURE.fullmatch(signature.replace(" ", ""))
    return str(int(match[1])) if match else ""


def _check_signature(signature: str, endpoint: UUID, body: bytes, received_at: datetime) -> Refused | None:
    if not signature:
        return invalid(
            "signature-required",
            f"This strategy takes signed messages only. Add the header {SIGNATURE_HEADER}.",
            field=SIGNATURE_HEADER,
            hint=_FORM,
        )
    match = _SIGNATURE.fullmatch(signature.replace(" ", ""))
    if match is None:
        return invalid(
            "invalid-signature",
            f"The header {SIGNATURE_HEADER} cannot be read. Send it as the hint shows.",
            field=SIGNATURE_HEADER,
            hint=_FORM,
        )
    if abs(received_at.timestamp() - int(match[1])) > TOLERANCE_SECONDS:
        return invalid(
            "signature-expired",
            f"The time in the signature is more than {TOLERANCE_SECONDS} seconds from ours. Sign each message when you "
            "send it, and check your clock.",
            field=SIGNATURE_HEADER,
        )
    signed = match[1].encode() + b"." + body
    right = (hmac.digest(key.encode(), signed, "sha256").hex() for key in signing_keys(endpoint))
    if matching(right, match[2]) is not None:
        return None
    return invalid(
        "invalid-signature",
        "The signature does not fit the body. Sign the very bytes that you send, with this webhook's signing key.",
        field=SIGNATURE_HEADER,
        hint=_FORM,
    )
