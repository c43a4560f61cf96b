"""What a consumer signs in with: two RSA keys, a Diffie-Hellman prime, an access token and its sealed secret. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from brokers.ibkr.auth.agreement import opened
from brokers.ibkr.auth.trouble import KeyRefused

CONSUMER_KEY, ACCESS_TOKEN, TOKEN_SECRET = "consumer_key", "access_token", "access_token_secret"
SIGNATURE_KEY, ENCRYPTION_KEY, DH_PARAMETERS = "signature_key", "encryption_key", "dh_parameters"
REALM, TEST_REALM, TEST_CONSUMER = "limited_poa", "test_realm", "TESTCONS"
SHORTEST_RSA, SHORTEST_PRIME = 2048, 1024
_CONSUMER_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_DH_FILE = re.compile(r"-----BEGIN DH PARAMETERS-----([A-Za-z0-9+/=\s]+)-----END DH PARAMETERS-----")

# A sequence whose first number has its first bit set, and no zero byte before it.
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..)"
_NEGATIVE = re.compile(rb"\x30" + _LENGTH + rb"\x02" + _LENGTH + rb"[\x80-\xff]", re.DOTALL)


@asn1.sequence
class _Group:
    """What a `DH PARAMETERS` file holds (PKCS #3)."""

    prime: int
    base: int
    private_value_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A program with keys of its own that one user lets in. Nothing secret appears in a repr."""

    consumer_key: str
    access_token: str = field(repr=False)
    secret: bytes = field(repr=False)
    signature_key: rsa.RSAPrivateKey = field(repr=False)
    prime: int = field(repr=False)
    generator: int = 2

    @property
    def realm(self) -> str:
        """IBKR's test consumer has a realm of its own."""
        return realm_of(self.consumer_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program whose users let it in: the operator's consumer, before anybody has. Nothing secret appears in a repr."""

    consumer_key: str
    signature_key: rsa.RSAPrivateKey = field(repr=False)
    encryption_key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def realm(self) -> str:
        """IBKR's test consumer has a realm of its own."""
        return realm_of(self.consumer_key)


def realm_of(consumer_key: str) -> str:
    """The realm that a consumer signs in."""
    return TEST_REALM if consumer_key == TEST_CONSUMER else REALM


def program_of(secrets: Mapping[str, str]) -> Program:
    """The operator's consumer; KeyRefused names what is missing or does not fit."""
    group_of(secrets.get(DH_PARAMETERS, ""))
    return Program(
        consumer_key=consumer_key_of(secrets.get(CONSUMER_KEY, "")),
        signature_key=private_key(secrets.get(SIGNATURE_KEY, ""), "signature"),
        encryption_key=private_key(secrets.get(ENCRYPTION_KEY, ""), "encryption"),
    )


def consumer_of(secrets: Mapping[str, str]) -> Consumer:
    """The consumer of a login; KeyRefused names what is missing or does not fit."""
    prime, generator = group_of(secrets.get(DH_PARAMETERS, ""))
    return Consumer(
        consumer_key=consumer_key_of(secrets.get(CONSUMER_KEY, "")),
        access_token=access_token_of(secrets.get(ACCESS_TOKEN, "")),
        secret=opened(secrets.get(TOKEN_SECRET, ""), private_key(secrets.get(ENCRYPTION_KEY, ""), "encryption")),
        signature_key=private_key(secrets.get(SIGNATURE_KEY, ""), "signature"),
        prime=prime,
        generator=generator,
    )


def consumer_key_of(text: str) -> str:
    """The name that a consumer has at IBKR."""
    if not _CONSUMER_KEY.fullmatch(text.strip()):
        raise KeyRefused(
            "A consumer key has letters and digits only: nine of them, as you chose them on IBKR's page.",
            "consumer-key-misspelled",
        )
    return text.strip()


def access_token_of(text: str) -> str:
    """The token that names the user to IBKR."""
    if not _TOKEN.fullmatch(text.strip()):
        raise KeyRefused(
            "The access token is not what IBKR shows: it is one short line of letters and digits. Copy it again.",
            "access-token-misspelled",
        )
    return text.strip()


def private_key(pem: str, use: str) -> rsa.RSAPrivateKey:
    """An RSA key of its owner's; `use` names it in the sentence that refuses another."""
    try:
        key = serialization.load_pem_private_key(pem.strip().encode(), password=None)
    except TypeError:
        raise KeyRefused(
            f"The {use} key is locked with a password. Paste it unlocked: openssl rsa -in key.pem -out open.pem.",
            f"{use}-key-locked",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        public = " This is its public half, which IBKR gets." if "PUBLIC KEY" in pem else ""
        raise KeyRefused(
            f"The {use} key is not a private RSA key in PEM, which begins with -----BEGIN.{public} Paste the private one.",
            f"{use}-key-unreadable",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SHORTEST_RSA:
        raise KeyRefused(
            f"The {use} key is no RSA key of at least {SHORTEST_RSA} bits. Make one: openssl genrsa -out key.pem 2048.",
            f"{use}-key-unfit",
        )
    return key


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """The half that IBKR is given."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """The half that stays here."""
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def group_of(text: str) -> tuple[int, int]:
    """Prime and generator: of a `DH PARAMETERS` file, or of a prime in hex, whose generator is 2."""
    body = _DH_FILE.search(text)
    if body is None:
        prime, generator = _prime_in_hex(text), 2
    else:
        prime, generator = _group_in(body[1])
    if prime.bit_length() < SHORTEST_PRIME or prime % 2 == 0 or not 2 <= generator < 100:
        raise KeyRefused(
            f"The Diffie-Hellman prime is no odd number of at least {SHORTEST_PRIME} bits with a small generator. Make the "
            "file with openssl dhparam -out dhparam.pem 2048, or let Halyard make it.",
            "prime-unfit",
        )
    return prime, generator


def _group_in(text: str) -> tuple[int, int]:
    try:
        der = base64.b64decode(text)
    except binascii.Error:
        raise _no_group() from None
    if _NEGATIVE.match(der):
        # Some tools write it so, and IBKR reads what is written.
        raise KeyRefused(
            "The Diffie-Hellman prime was written as a negative number: its zero byte in front is missing, and IBKR would "
            "refuse every request. Make the file again with openssl dhparam -out dhparam.pem 2048, or let Halyard make it.",
            "prime-negative",
        )
    try:
        group = asn1.decode_der(_Group, der)
    except ValueError:
        raise _no_group() from None
    return group.prime, group.base


def _prime_in_hex(text: str) -> int:
    digits = "".join(text.split()).replace(":", "").lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{1,4096}", digits):
        raise _no_group()
    return int(digits, 16)


def _no_group() -> KeyRefused:
    return KeyRefused(
        "This is no Diffie-Hellman file: it begins with -----BEGIN DH PARAMETERS-----. A prime in hex is taken too.",
        "prime-unreadable",
    )


def group_pem(prime: int, generator: int = 2) -> str:
    """The `DH PARAMETERS` file that IBKR is given."""
    der = asn1.encode_der(_Group(prime=prime, base=generator, private_value_length=None))
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN DH PARAMETERS-----\n{lines}\n-----END DH PARAMETERS-----\n"
