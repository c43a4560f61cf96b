"""The certificate that a gateway shows: one that signs itself, as IBKR's own gateway has it, made once and kept."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FILE = "simulator-tls.pem"
_DAYS = 825
_MOST_DAYS = 36_500
_MOST_SECONDS = 600


class _Line(ssl.SSLObject):
    """The server's end of a line, whose handshake goes no further while the gateway hangs."""

    def do_handshake(self) -> None:
        context = self.context
        if isinstance(context, _Context) and context.hangs():
            # As if the client had said nothing yet: the loop waits for more of it, and serves the others.
            raise ssl.SSLWantReadError
        super().do_handshake()


class _Asking(ssl.SSLObject):
    """The server's end of a line that wants a client certificate. It says what is wrong before the line ends.

    The loop drops a line whose handshake failed with the alert unsent; a proxy sends it. So the failure is told to the
    loop once the client, who knows by then, says something or hangs up.
    """

    _problem: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._problem is not None:
            raise self._problem
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as problem:
            self._problem = problem
            raise ssl.SSLWantReadError from problem


class _Context(ssl.SSLContext):
    """Asks for each line that begins what applies now: a line's terms cannot be changed once it is made."""

    sslobject_class = _Line
    hangs: Callable[[], bool]
    instead: Callable[[], ssl.SSLContext | None]

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        if (other := self.instead()) is not None:
            return other.wrap_bio(*arguments, **named)
        return super().wrap_bio(*arguments, **named)


class Certificate:
    """A certificate with its key in one file that nobody else reads, and the context that shows it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._refuses_until = self._hangs_until = self._wants_until = 0.0
        self._wanting: ssl.SSLContext | None = None
        self.context = _Context(ssl.PROTOCOL_TLS_SERVER)
        self.context.hangs = lambda: time.monotonic() < self._hangs_until
        self.context.instead = lambda: self._wanting if time.monotonic() < self._wants_until else None
        self.context.sni_callback = self._greet
        if file.exists():
            self.context.load_cert_chain(file)
        else:
            self.renew()

    def renew(self, *, days: int = _DAYS, begins_in_days: int = 0, name: str = "localhost") -> None:
        """Make another one; whoever dials from now on is shown it. ValueError says what cannot be."""
        if not (1 <= days <= _MOST_DAYS and abs(begins_in_days) <= _MOST_DAYS):
            raise ValueError(f"A certificate lasts 1 to {_MOST_DAYS} days, and begins as many days from today at most.")
        begins = datetime.now(UTC) + timedelta(days=begins_in_days, minutes=-5)
        text = _made(name, begins, begins + timedelta(days=days))
        # Never readable by others, not even between making the file and closing it to them.
        handle = os.open(new := f"{self.file}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        os.replace(new, self.file)
        self.context.load_cert_chain(self.file)

    def refuse(self, seconds: float) -> None:
        """End every handshake for so long; lines that are open stay. ValueError says what cannot be."""
        self._refuses_until = _until(seconds)

    def hang(self, seconds: float) -> None:
        """Take every call and finish no handshake for so long; lines that are open stay. ValueError says what cannot be."""
        self._hangs_until = _until(seconds)

    def want(self, seconds: float, certificate: str = "") -> None:
        """Want a client certificate for so long: this one, or one that nobody has. ValueError says what cannot be."""
        until = _until(seconds)
        wanting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        wanting.sslobject_class = _Asking
        wanting.load_cert_chain(self.file)
        wanting.verify_mode = ssl.CERT_REQUIRED
        try:
            wanting.load_verify_locations(cadata=certificate or self.file.read_text())
        except ssl.SSLError as problem:
            raise ValueError(f"The certificate of the client cannot be read: {problem}.") from None
        self._wanting, self._wants_until = wanting, until

    def _greet(self, line: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        refuses = time.monotonic() < self._refuses_until
        return int(ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE) if refuses else None

    def describe(self) -> dict[str, str]:
        """What a client sees of it."""
        known = x509.load_pem_x509_certificate(self.file.read_bytes())
        return {
            "sha256": known.fingerprint(hashes.SHA256()).hex(":").upper(),
            "subject": known.subject.rfc4514_string(),
            "begins": known.not_valid_before_utc.isoformat(),
            "ends": known.not_valid_after_utc.isoformat(),
        }


def _until(seconds: float) -> float:
    """When so many seconds are over."""
    if not 0 <= seconds <= _MOST_SECONDS:
        raise ValueError(f"A line is disturbed for {_MOST_SECONDS} seconds at most: nobody could end it sooner.")
    return time.monotonic() + seconds


def _made(name: str, begins: datetime, ends: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated IBKR"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM) + private
