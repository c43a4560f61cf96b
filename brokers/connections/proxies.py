"""What a connection shows the proxy before its gateway, so that the gateway need not be open to everybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.db import transaction

from accounts import audit
from accounts.models import User
from accounts.vault.fields import Sealed
from brokers.connections.connections import ConnectionRefused, wake
from brokers.models import Connection

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_SECRET = re.compile(r"[\x21-\x7e]{16,512}\Z")
# What requests carry anyway, or what would be read on the way to the proxy.
_TAKEN = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host", "origin"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-forwarded-for", "x-forwarded-proto"}
)
_LONGEST_PEM = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is kept, as far as it may be read again."""

    header: str = ""
    certificate: str = ""
    until: datetime | None = None


def shown(connection: Connection) -> Shown:
    """What the proxy is shown: the name of the header, and whose certificate until when. Never a secret."""
    secrets = connection.secrets.open()
    if not (pem := secrets.get("client_certificate")):
        return Shown(header=secrets.get("proxy_header", ""))
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return Shown(
        header=secrets.get("proxy_header", ""),
        certificate=certificate.subject.rfc4514_string(),
        until=certificate.not_valid_after_utc,
    )


@transaction.atomic
def show_header(*, connection: Connection, header: str, secret: str, actor: User | None, now: datetime) -> None:
    """Send this header with every request from now on; without a name, none."""
    if header:
        _check_header(connection, header, secret)
    values = {"proxy_header": header, "proxy_secret": secret} if header else {}
    _keep(connection, ("proxy_header", "proxy_secret"), values, actor, now)


@transaction.atomic
def show_certificate(*, connection: Connection, certificate: str, key: str, actor: User | None, now: datetime) -> None:
    """Show this client certificate from now on; without one, none."""
    if certificate:
        _check_certificate(connection, certificate, key, now)
    values = {"client_certificate": certificate, "client_key": key} if certificate else {}
    _keep(connection, ("client_certificate", "client_key"), values, actor, now)


def _keep(
    connection: Connection, names: tuple[str, str], values: dict[str, str], actor: User | None, now: datetime
) -> None:
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    kept = {name: value for name, value in locked.secrets.open().items() if name not in names}
    connection.secrets, connection.trial_asked_at = Sealed.of(kept | values), now
    Connection.objects.filter(pk=connection.pk).update(secrets=connection.secrets, trial_asked_at=now)
    what = names[0].replace("_", " ")
    action = "connection.proxy_shown" if values else "connection.proxy_hidden"
    audit.record(team=connection.team, actor=actor, action=action, subject=f"{connection.username} ({what})", now=now)
    wake()


def _check_header(connection: Connection, header: str, secret: str) -> None:
    if not _HEADER.match(header) or header.lower() in _TAKEN:
        raise ConnectionRefused(
            "The header's name has letters, digits and dashes, and is none that requests carry anyway. "
            "Take one of your own, like X-Gateway-Secret.",
            "proxy-header",
        )
    if not _SECRET.match(secret):
        raise ConnectionRefused(
            "The secret has 16 to 512 letters, digits and signs, and no spaces. Make a long random one.", "proxy-secret"
        )
    _need_encryption(connection, "The secret")


def _check_certificate(connection: Connection, certificate: str, key: str, now: datetime) -> None:
    try:
        if len(certificate) > _LONGEST_PEM or len(key) > _LONGEST_PEM:
            raise ValueError("longer than any certificate")
        read = x509.load_pem_x509_certificate(certificate.encode("ascii"))
        private = load_pem_private_key(key.encode("ascii"), password=None)
        fits = _spelled(private.public_key()) == _spelled(read.public_key())
    except (ValueError, TypeError) as error:
        raise ConnectionRefused(
            "The certificate or its key cannot be read. Paste both as PEM, from -----BEGIN to END-----, the key without "
            "a passphrase.",
            "client-certificate",
        ) from error
    if not fits:
        raise ConnectionRefused(
            "This key belongs to another certificate. Paste the one that the certificate was made with.", "client-key"
        )
    if now > read.not_valid_after_utc:
        raise ConnectionRefused(
            f"This certificate ended on {read.not_valid_after_utc:%d %B %Y}. Make a new one.", "client-certificate-over"
        )
    _need_encryption(connection, "A client certificate")


def _spelled(key: object) -> bytes:
    spelled: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return spelled


def _need_encryption(connection: Connection, what: str) -> None:
    if not connection.base_url.startswith("https://"):
        raise ConnectionRefused(
            f"{what} is of use over https only. Connect the gateway's proxy by its https:// address.",
            "address-not-encrypted",
        )
