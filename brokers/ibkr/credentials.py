"""What a login shows the proxy before its gateway, and which certificate it must be shown before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp

from brokers import certificates
from brokers.certificates import PinnedContext, WrongCertificate
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, CertificateRefused
from brokers.domain.certificates import ending, fingerprint

CERTIFICATE, KEY = "client_certificate", "client_key"
HEADER, SECRET = "proxy_header", "proxy_secret"
PIN = "certificate_sha256"


def headers(secrets: Mapping[str, str]) -> dict[str, str]:
    """The header that the proxy asks for, if it does."""
    name, value = secrets.get(HEADER), secrets.get(SECRET)
    return {name: value} if name and value else {}


def context(secrets: Mapping[str, str]) -> ssl.SSLContext | bool:
    """TLS for this login: with its pin, which is then all that is believed, and with its own certificate to show. Without
    a pin the other side is verified as always."""
    pin = fingerprint(secrets.get(PIN, ""))
    if not (pin or secrets.get(CERTIFICATE)):
        return True
    made: ssl.SSLContext = PinnedContext.of(pin) if pin else ssl.create_default_context()
    if secrets.get(CERTIFICATE):
        certificates.show(made, secrets[CERTIFICATE], secrets.get(KEY, ""))
    return made


_UNKNOWN = {
    "self-signed": (
        "certificate-unknown",
        "The gateway shows a certificate that it signed itself, as IBKR's gateway does, and nobody has said yet that it is "
        "the right one. Nothing was sent. Look at it on this connection's page, and accept it if it is your gateway's.",
    ),
    "over": (
        "certificate-over",
        "The certificate of the gateway's address has ended. Nothing was sent. Renew it there; Halyard goes on by itself.",
    ),
    "early": (
        "certificate-early",
        "The certificate of the gateway's address is not valid yet. Nothing was sent. Check the clock of its machine.",
    ),
    "other-name": (
        "certificate-of-another-name",
        "The certificate of the gateway was made for another name than the one in this connection's address. Nothing was "
        "sent. Give the connection the name in the certificate, or accept the certificate on this connection's page.",
    ),
    "unknown": (
        "certificate-unknown",
        "The gateway shows a certificate of an authority that Halyard does not know. Nothing was sent. Look at it on this "
        "connection's page, and accept it if it is your gateway's.",
    ),
}


def refusal(problem: BaseException) -> BrokerError | None:
    """The error that a failed handshake is, for the owner of the connection; None where it was no handshake."""
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        cause = problem.certificate_error
        if isinstance(cause, WrongCertificate):
            return CertificateRefused(_changed(cause.seen), code="certificate-changed", seen=cause.seen)
        trouble = certificates.trouble_of(cause) if isinstance(cause, ssl.SSLCertVerificationError) else "unknown"
        code, sentence = _UNKNOWN[trouble]
        return CertificateRefused(sentence, code=code)
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        if certificates.speaks_no_tls(problem.os_error):
            return BrokerUnavailable(
                "The address begins with https://, and what answers there speaks plain http. Correct the address, or let "
                "the gateway speak TLS (listenSsl: true in its conf.yaml).",
                code="gateway-speaks-http",
            )
        return BrokerUnavailable(
            "The gateway broke off the TLS handshake. Check what listens at its address. Halyard tries again.",
            code="tls-broken-off",
        )
    return None


def _changed(seen: str) -> str:
    return (
        f"The gateway shows another certificate than the one that was accepted for it; the new one ends in {ending(seen)}. "
        "Nothing was sent to it. Compare the new one with your gateway's, and accept it on the connection's page only if "
        "it is yours."
    )
