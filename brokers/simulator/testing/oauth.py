"""A consumer for tests: keys made on the spot, registered at a running gateway."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from brokers.simulator.oauth.signatures import DHParameter
from brokers.simulator.testing.gateway import RunningGateway

# The first Oakley group (RFC 2409): a safe prime, and short enough for tests.
PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF",
    16,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a consumer's owner keeps: two private RSA keys in PEM, and the Diffie-Hellman file."""

    signature: str
    encryption: str
    dh_params: str
    dh_prime: str

    def public(self) -> dict[str, str]:
        """What the owner uploads."""
        return {
            "signature_key": _public(self.signature),
            "encryption_key": _public(self.encryption),
            "dh_params": self.dh_params,
        }


@lru_cache(maxsize=4)
def keys(number: int = 0) -> Keys:
    """Keys of a consumer, made once in a run."""
    der = asn1.encode_der(DHParameter(prime=PRIME, base=2, private_value_length=None))
    body = base64.encodebytes(der).decode()
    return Keys(
        signature=_private(),
        encryption=_private(),
        dh_params=f"-----BEGIN DH PARAMETERS-----\n{body}-----END DH PARAMETERS-----\n",
        dh_prime=f"{PRIME:x}",
    )


def register(gateway: RunningGateway, consumer_key: str, made: Keys, **more: Any) -> dict[str, Any]:
    """Register a consumer; `more` may name its `party`, `state` and `name`."""
    body = {"consumer_key": consumer_key} | made.public() | more
    answer: dict[str, Any] = gateway.control("POST", "/oauth/consumers", body)
    return answer


def grant(gateway: RunningGateway, consumer_key: str, username: str) -> tuple[str, str]:
    """An access token and its sealed secret, as the self-service page hands them to a first-party consumer."""
    token = gateway.control("POST", f"/oauth/consumers/{consumer_key}/tokens", {"username": username})
    return token["access_token"], token["access_token_secret"]


def _private() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public(private: str) -> str:
    key = serialization.load_pem_private_key(private.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
