"""The live session token: two sides agree on it by Diffie-Hellman, and each proves it to the other. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from cryptography.hazmat.primitives.asymmetric import rsa

from brokers.ibkr.auth.trouble import KeyRefused

_HEX = re.compile(r"[0-9a-fA-F]{1,4096}")
# A secret number needs no more bits than the security of the group.
_BITS = 256
# 0, 2, at least eight bytes that are not 0, then 0: what PKCS #1 v1.5 puts before a message.
_PADDED = re.compile(rb"\x00\x02[^\x00]{8,}\x00(.+)", re.DOTALL)


def opened(sealed: str, key: rsa.RSAPrivateKey) -> bytes:
    """The access token's secret, which IBKR sealed with the public half of the encryption key.

    The padding is looked at here: a library that hides a wrong key from attackers would answer with noise, and the first
    sign of it would be a signature that IBKR refuses.
    """
    try:
        number = int.from_bytes(base64.b64decode("".join(sealed.split()), validate=True), "big")
    except (binascii.Error, ValueError):
        raise KeyRefused(
            "The access token secret is not what IBKR shows: it is one long line of letters, digits, + and /. Copy all of it.",
            "secret-misspelled",
        ) from None
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    message = None
    if 0 < number < modulus:
        message = _PADDED.fullmatch(pow(number, numbers.d, modulus).to_bytes((key.key_size + 7) // 8, "big"))
    if message is None:
        raise KeyRefused(
            "The access token secret was not sealed for this encryption key. Upload the public encryption key of this "
            "connection at IBKR, generate the token again, and paste the new secret.",
            "secret-of-another-key",
        )
    return message[1]


def new_number() -> int:
    """Our secret half of an agreement."""
    return secrets.randbits(_BITS) | 1 << (_BITS - 1)


def challenge(number: int, *, prime: int, generator: int) -> str:
    """What the other side is sent, in hex."""
    return f"{pow(generator, number, prime):x}"


def shared_bytes(response: str, number: int, *, prime: int) -> bytes:
    """The number that both sides know now, as the bytes of a signed one: a zero byte leads when the first bit is set."""
    theirs = int(response, 16) if _HEX.fullmatch(response) else 0
    # 0, 1 and -1 would make the secret known to everybody; what is not below the prime was made with another.
    if not 1 < theirs < prime - 1:
        raise KeyRefused(
            "IBKR answered with a number that does not belong to this connection's Diffie-Hellman prime. Upload the "
            "dhparam.pem of this connection at IBKR, or paste the prime that was uploaded.",
            "prime-differs",
        )
    shared = pow(theirs, number, prime)
    return shared.to_bytes(shared.bit_length() // 8 + 1, "big")


def token_of(shared: bytes, secret: bytes) -> bytes:
    """The live session token."""
    return hmac.new(shared, secret, hashlib.sha1).digest()


def is_proved(token: bytes, consumer_key: str, proof: str) -> bool:
    """Whether the other side has computed the same token."""
    ours = hmac.new(token, consumer_key.encode(), hashlib.sha1).hexdigest()
    return hmac.compare_digest(ours.encode(), proof.strip().lower().encode())
