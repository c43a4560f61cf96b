"""OAuth 1.0a on the wire: the header, the text that is signed, the signature, and the live session token. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

RSA = "RSA-SHA256"
HMAC = "HMAC-SHA256"
_SHORTEST_PRIME = 512
_DH_FILE = re.compile(r"-----BEGIN DH PARAMETERS-----([A-Za-z0-9+/=\s]+)-----END DH PARAMETERS-----")
_PAIR = re.compile(r'\s*([A-Za-z0-9_]{1,64})="([^"]*)"\s*(?:,|$)')


def read_header(text: str) -> dict[str, str] | None:
    """The parameters of an `Authorization: OAuth ...` header; None when it is not one, or not readable."""
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "oauth":
        return None
    parameters: dict[str, str] = {}
    position, rest = 0, rest.strip()
    while position < len(rest):
        pair = _PAIR.match(rest, position)
        if pair is None or pair[1] in parameters:
            return None
        parameters[pair[1]] = unquote(pair[2])
        position = pair.end()
    return parameters or None


def base_strings(
    method: str, urls: Iterable[str], signed: dict[str, str], query: Iterable[tuple[str, str]], prepend: str = ""
) -> Iterator[str]:
    """Every text a client may have signed for this request.

    Clients differ: some leave the query out, some encode a value before it is joined and some do not, and some write
    a space as a plus. The broker's own examples are of both kinds, so each is taken.
    """
    header = [(name, value) for name, value in signed.items() if name not in {"oauth_signature", "realm"}]
    whole = [*header, *query]
    seen: set[str] = set()
    for url in urls:
        for pairs in (header, whole):
            for text in (_joined(pairs), _joined([(_quote_all(k), _quote_all(v)) for k, v in pairs])):
                for encode in (_quote_plus, _quote_all):
                    made = f"{prepend}{method}&{encode(url)}&{encode(text)}"
                    if made not in seen:
                        seen.add(made)
                        yield made


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _quote_all(text: str) -> str:
    return quote(text, safe="~", errors="replace")


def _quote_plus(text: str) -> str:
    return quote_plus(text, errors="replace")


def signature_bytes(text: str) -> bytes | None:
    """A signature as bytes; None when it is not base64. Some clients encode it twice."""
    try:
        return base64.b64decode(unquote(text) if "%" in text else text, validate=True)
    except (binascii.Error, ValueError):
        return None


def signed_with_rsa(key: rsa.RSAPublicKey, signature: bytes, texts: Iterable[str]) -> bool:
    """Whether one of the texts was signed with the private half of this key."""
    for text in texts:
        try:
            key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return True
    return False


def signed_with_hmac(token: bytes, signature: bytes, texts: Iterable[str]) -> bool:
    """Whether one of the texts was signed with this live session token."""
    return any(
        hmac.compare_digest(hmac.new(token, text.encode(), hashlib.sha256).digest(), signature) for text in texts
    )


# -- keys --------------------------------------------------------------------------------------------------------


def public_key(pem: str) -> rsa.RSAPublicKey:
    """The public half of an RSA key; ValueError says what is wrong with it."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError:
        raise ValueError("A key is the public half of an RSA key, in PEM: openssl rsa -in key.pem -pubout.") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("A key is an RSA key; this is another kind.")
    return key


@asn1.sequence
class DHParameter:
    """What a `DH PARAMETERS` file holds (PKCS #3)."""

    prime: int
    base: int
    private_value_length: int | None


def dh_numbers(pem: str) -> tuple[int, int]:
    """Prime and generator of a `DH PARAMETERS` file; ValueError says what is wrong with it."""
    body = _DH_FILE.search(pem)
    try:
        numbers = asn1.decode_der(DHParameter, base64.b64decode(body[1] if body else ""))
    except ValueError:
        raise ValueError("dh_params is the file that `openssl dhparam -out dhparam.pem 2048` writes.") from None
    return numbers.prime, numbers.base


def check_prime(prime: int, generator: int) -> None:
    """ValueError when nobody can agree on a secret with these numbers."""
    if prime.bit_length() < _SHORTEST_PRIME or prime % 2 == 0:
        raise ValueError(f"The Diffie-Hellman prime is a positive odd number of at least {_SHORTEST_PRIME} bits.")
    if not 2 <= generator < 100:
        raise ValueError("The Diffie-Hellman generator is a small number, usually 2.")


def sealed(key: rsa.RSAPublicKey, secret: bytes) -> str:
    """A secret that only the owner of the encryption key can read, in base64."""
    return base64.b64encode(key.encrypt(secret, padding.PKCS1v15())).decode()


# -- the live session token --------------------------------------------------------------------------------------


def agree(*, prime: int, generator: int, challenge: str, secret: bytes) -> tuple[str, bytes]:
    """Our half of Diffie-Hellman in hex, and the live session token both sides now share.

    ValueError when the challenge is not a number that belongs to this prime.
    """
    theirs = int(challenge, 16)
    # 0, 1 and -1 would make the secret known to everybody.
    if not 1 < theirs < prime - 1:
        raise ValueError("The challenge is not a number of this group.")
    mine = secrets.randbelow(prime - 3) + 2
    shared = pow(theirs, mine, prime)
    # As a signed number: a zero byte leads when the first bit is set.
    key = shared.to_bytes(shared.bit_length() // 8 + 1, "big")
    return f"{pow(generator, mine, prime):x}", hmac.new(key, secret, hashlib.sha1).digest()


def proof(token: bytes, consumer_key: str) -> str:
    """What shows a client that it computed the same live session token."""
    return hmac.new(token, consumer_key.encode(), hashlib.sha1).hexdigest()
