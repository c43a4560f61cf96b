"""The certificate that a gateway shows: one that signs itself, as IBKR's own gateway has it, made once and kept."""

from __future__ import annotations

import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FILE = "simulator-tls.pem"
_DAYS = 825
_MOST_DAYS = 36_500
_MOST_SECONDS = 600


class Certificate:
    """A certificate with its key in one file that nobody else reads, and the context that shows it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self._greet
        self._refuses_until = 0.0
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
        if not 0 <= seconds <= _MOST_SECONDS:
            raise ValueError(f"Handshakes are refused for {_MOST_SECONDS} seconds at most: nobody could end it sooner.")
        self._refuses_until = time.monotonic() + seconds

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
