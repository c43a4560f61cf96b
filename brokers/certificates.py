"""The certificate of a gateway: fetched to be looked at, and pinned. A pin is checked within the handshake, so that
nothing of ours, no header, cookie or order, has left before it holds."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from brokers import dialing
from brokers.domain.addresses import Location, Reach
from brokers.domain.certificates import Certificate

DIAL_SECONDS = 5.0
HANDSHAKE_SECONDS = 5.0

# Why OpenSSL believes no certificate, by its number, as a stable code; any other is `unknown`.
TROUBLES = {9: "early", 10: "over", 18: "self-signed", 19: "self-signed", 62: "other-name", 64: "other-name"}


class WrongCertificate(ssl.SSLCertVerificationError):
    """The certificate is not the pinned one. `seen` is the fingerprint of what was shown."""

    def __init__(self, seen: str) -> None:
        super().__init__("the certificate is not the pinned one")
        self.seen = seen


class NoTls(OSError):
    """What answers there speaks no TLS."""


class NoHandshake(OSError):
    """Something took the call, and did not finish the handshake in time."""


class BrokenOff(OSError):
    """Something took the call, and broke the handshake off."""


class _PinnedObject(ssl.SSLObject):
    """A TLS connection whose handshake fails unless the other side shows the pinned certificate."""

    def do_handshake(self) -> None:
        super().do_handshake()
        shown = self.getpeercert(binary_form=True) or b""
        context = self.context
        assert isinstance(context, PinnedContext)
        if (seen := _sha256(shown)) != context.pin:
            raise WrongCertificate(seen)


class PinnedContext(ssl.SSLContext):
    """Believes one certificate and no authority: neither its name nor its dates matter, only that it is the one."""

    sslobject_class = _PinnedObject
    pin: str

    @classmethod
    def of(cls, sha256: str) -> PinnedContext:
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        # OpenSSL asks authorities, and no authority knows this one. `_PinnedObject` asks for the certificate itself.
        made.verify_mode = ssl.CERT_NONE
        made.pin = sha256
        return made


def show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let the context show a client certificate, both as PEM."""
    # OpenSSL reads a certificate from a file only: one that nobody else can open, and that is gone at once.
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:  # noqa: S108
        file.write(f"{certificate}\n{key}\n".encode())
        file.flush()
        context.load_cert_chain(file.name)


def trouble_of(error: ssl.SSLCertVerificationError) -> str:
    """Why the certificate is not believed, as a stable code."""
    return TROUBLES.get(getattr(error, "verify_code", 0), "unknown")


def wants_a_certificate(error: BaseException) -> bool:
    """Whether the other side ended the handshake because of our certificate, or because there was none."""
    reason = str(getattr(error, "reason", "") or error).upper()
    return "ALERT" in reason and any(word in reason for word in _ABOUT_OURS)


_ABOUT_OURS = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN")


def why_broken_off(error: BaseException) -> str:
    """Why a handshake did not come about, as a stable code."""
    if wants_a_certificate(error):
        return "client-certificate-wanted"
    return "gateway-speaks-http" if speaks_no_tls(error) else "tls-broken-off"


def speaks_no_tls(error: BaseException) -> bool:
    """Whether the other side answered the handshake with something else, like plain http."""
    reason = str(getattr(error, "reason", "") or error).upper()
    return any(word in reason for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER", "PACKET_LENGTH"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a dial came to: the IP address that took the call, and the certificate it showed (None of plain http)."""

    address: str
    certificate: Certificate | None = None


async def look_up(location: Location, reach: Reach) -> list[str]:
    """The IP addresses of a gateway's host, every one of them within reach; OSError or DialRefused says why not."""
    return [str(each["host"]) for each in await dialing.Resolver(reach).resolve(location.host, location.port)]


async def dial(location: Location, reach: Reach, addresses: list[str]) -> Line:
    """Call the gateway, look at its certificate and hang up. Nothing is sent but the handshake.

    Raises OSError where nobody takes the call, NoTls, NoHandshake, BrokenOff.
    """
    problem: OSError = OSError("nobody answers")
    for address in addresses[:4]:
        try:
            if not location.secure:
                await _handshake(location, reach, address, None)
                return Line(address=address)
            return Line(address=address, certificate=await _certificate(location, reach, address))
        except (NoTls, NoHandshake, BrokenOff, dialing.DialRefused):
            raise
        except OSError as error:
            problem = error
    raise problem


async def takes_calls(location: Location, reach: Reach, address: str) -> bool:
    """Whether something takes the call at an address, whatever it says then."""
    try:
        await _handshake(location, reach, address, None)
    except OSError:
        return False
    return True


async def is_turned_away(location: Location, reach: Reach, address: str, tls: ssl.SSLContext) -> bool:
    """Whether the other side ends a line because of the certificate that it is shown, or is not: TLS 1.3 says so after the
    handshake. Nothing is sent."""
    line = await dialing.opened(address, location.port, reach)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            reader, writer = await asyncio.open_connection(sock=line, ssl=tls, server_hostname=location.host)
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except OSError as error:
        return wants_a_certificate(error)
    finally:
        line.close()
    return False


async def speaks_tls(location: Location, reach: Reach, address: str) -> bool:
    """Whether what answers to an address over plain http speaks TLS instead."""
    try:
        return bool(await _handshake(location, reach, address, _looking()))
    except OSError:
        return False


def _looking() -> ssl.SSLContext:
    """For a look at a certificate and nothing else: what is dialled with it is sent nothing, and closed at once."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    return anybody


async def _certificate(location: Location, reach: Reach, address: str) -> Certificate:
    """The certificate, and whether a public authority vouches for it: asked twice, since a refused one is not shown."""
    try:
        return _read(await _handshake(location, reach, address, ssl.create_default_context()), "")
    except ssl.SSLCertVerificationError as error:
        trouble = trouble_of(error)
    return _read(await _handshake(location, reach, address, _looking()), trouble)


async def _handshake(location: Location, reach: Reach, address: str, context: ssl.SSLContext | None) -> bytes:
    """Dial, shake hands where there is a context, and hang up; the certificate as DER."""
    async with asyncio.timeout(DIAL_SECONDS):
        line = await dialing.opened(address, location.port, reach)
    try:
        if context is None:
            return b""
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(sock=line, ssl=context, server_hostname=location.host)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return bytes(shown or b"")
    except TimeoutError as error:
        raise NoHandshake("the handshake was not finished in time") from error
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError) as error:
        raise (NoTls if speaks_no_tls(error) else BrokenOff)(str(error)) from error
    finally:
        line.close()


def _read(der: bytes, trouble: str) -> Certificate:
    try:
        known = x509.load_der_x509_certificate(der)
        subject, issuer = known.subject.rfc4514_string(), known.issuer.rfc4514_string()
        begins, ends = known.not_valid_before_utc, known.not_valid_after_utc
    except ValueError as error:
        raise NoTls("its certificate cannot be read") from error
    return Certificate(
        sha256=_sha256(der), subject=subject[:300], issuer=issuer[:300], begins=begins, ends=ends, trouble=trouble
    )


def _sha256(der: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()
