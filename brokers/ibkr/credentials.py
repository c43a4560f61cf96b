"""What a login shows the proxy before its gateway, and which certificate it must be shown before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp

from brokers import certificates
from brokers.certificates import PinnedContext, WrongCertificate
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, CertificateRefused
from brokers.domain.certificates import fingerprint
from brokers.domain.session.words import sentence_of
from brokers.domain.sessions import Environment, Login

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


# Why a certificate is not believed, as the code of the session's state.
_REFUSED = {
    "self-signed": "certificate-unknown",
    "over": "certificate-over",
    "early": "certificate-early",
    "other-name": "certificate-of-another-name",
    "unknown": "certificate-unknown",
}


def forbidding(login: Login) -> str:
    """Who it is that answers 403 to a login, as the code of the session's state."""
    if login.secrets.get(HEADER) or login.secrets.get(CERTIFICATE):
        return "proxy-refuses"
    asks_ibkr = login.auth_method.signs or login.environment is Environment.SIMULATED
    return "not-allowed" if asks_ibkr else "gateway-forbids"


def refusal(problem: BaseException, *, secure: bool = True) -> BrokerError | None:
    """The error that a failed handshake is, for the owner of the connection; None where it was no handshake."""
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        cause = problem.certificate_error
        if isinstance(cause, WrongCertificate):
            return CertificateRefused(sentence_of("certificate-changed"), code="certificate-changed", seen=cause.seen)
        trouble = certificates.trouble_of(cause) if isinstance(cause, ssl.SSLCertVerificationError) else "unknown"
        code = _REFUSED[trouble]
        return CertificateRefused(sentence_of(code), code=code)
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        return no_line(certificates.why_broken_off(problem.os_error))
    if secure and isinstance(problem, aiohttp.ClientConnectorError) and isinstance(problem.os_error, _HUNG_UP):
        # The call was taken, and ended before the handshake did.
        return no_line("tls-broken-off")
    return None


_HUNG_UP = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def late_refusal(problem: BaseException) -> BrokerError | None:
    """The error that a broken line is where the other side did not take our certificate: TLS 1.3 says so afterwards."""
    seen: BaseException | None = problem
    while seen is not None:
        if certificates.wants_a_certificate(seen):
            return no_line("client-certificate-wanted")
        seen = seen.__cause__
    return None


def no_line(code: str) -> BrokerUnavailable:
    """Why no encrypted line to the gateway came about."""
    return BrokerUnavailable(sentence_of(code), code=code)
