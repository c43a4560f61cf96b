"""Keys, primes and tokens that cannot sign in are named before anything leaves."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dh, ec, rsa

from brokers.ibkr.auth import keys
from brokers.ibkr.auth.trouble import KeyRefused
from brokers.ibkr.tests.auth.conftest import PRIME, oauth

made: Any = oauth.keys()


def code(check: Any, *arguments: Any) -> str:
    with pytest.raises(KeyRefused) as refused:
        check(*arguments)
    assert str(refused.value)[0].isupper()
    assert str(refused.value).endswith(".")
    return refused.value.code


def pem(key: Any, password: bytes | None = None) -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    data: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    return data.decode()


def test_a_key_is_read_whatever_stands_around_it() -> None:
    assert keys.private_key(f"\n  {made.signature}\n", "signature").key_size == 2048


def test_a_key_that_cannot_sign_is_refused_with_its_reason() -> None:
    public = keys.public_pem(keys.private_key(made.signature, "signature"))
    short = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    locked = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), b"secret")
    assert code(keys.private_key, "", "signature") == "signature-key-unreadable"
    assert code(keys.private_key, made.signature[:-80], "encryption") == "encryption-key-unreadable"
    assert code(keys.private_key, public, "signature") == "signature-key-unreadable"
    assert code(keys.private_key, short, "signature") == "signature-key-unfit"
    assert code(keys.private_key, pem(ec.generate_private_key(ec.SECP256R1())), "encryption") == "encryption-key-unfit"
    assert code(keys.private_key, locked, "signature") == "signature-key-locked"


def test_a_prime_is_read_from_a_file_and_from_hex() -> None:
    text = f"{PRIME:x}"
    for written in (
        keys.group_pem(PRIME),
        text,
        text.upper(),
        f"0x{text}",
        f"00{text}",
        f" {text[:100]}\n{text[100:]} ",
    ):
        assert keys.group_of(written) == (PRIME, 2)
    assert keys.group_of(keys.group_pem(PRIME, 5)) == (PRIME, 5)


@pytest.mark.filterwarnings("ignore:Diffie-Hellman")
def test_our_file_is_the_one_that_others_read() -> None:
    read = serialization.load_pem_parameters(keys.group_pem(PRIME).encode())
    assert isinstance(read, dh.DHParameters)
    assert (read.parameter_numbers().p, read.parameter_numbers().g) == (PRIME, 2)


def negative(prime: int) -> str:
    """A file whose prime lacks the zero byte in front, as some tools write it."""
    body = prime.to_bytes((prime.bit_length() + 7) // 8, "big")
    number = b"\x02\x81" + bytes([len(body)]) + body if len(body) < 256 else b"\x02\x82" + len(body).to_bytes(2) + body
    inner = number + b"\x02\x01\x02"
    outer = b"\x30\x81" + bytes([len(inner)]) if len(inner) < 256 else b"\x30\x82" + len(inner).to_bytes(2)
    text = base64.encodebytes(outer + inner).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_prime_written_as_a_negative_number_is_refused(bits: int) -> None:
    assert code(keys.group_of, negative((1 << bits) - 159)) == "prime-negative"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "prime-unreadable"),
        ("-7f", "prime-unreadable"),
        ("zz", "prime-unreadable"),
        ("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----", "prime-unreadable"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "prime-unreadable"),
        ("7f", "prime-unfit"),
        (f"{PRIME - 1:x}", "prime-unfit"),
        (keys.group_pem(PRIME, 0), "prime-unfit"),
        (keys.group_pem(PRIME, 1000), "prime-unfit"),
    ],
    ids=range(9),
)
def test_what_is_no_prime_is_refused_with_its_reason(text: str, expected: str) -> None:
    assert code(keys.group_of, text) == expected


@pytest.mark.parametrize("text", ["", "two words", "TÄST", "x" * 65, 'A"B'])
def test_what_is_no_consumer_key_or_token_is_refused(text: str) -> None:
    assert code(keys.consumer_key_of, text) == "consumer-key-misspelled"
    assert code(keys.access_token_of, text * 4) == "access-token-misspelled"


def test_no_repr_shows_a_secret() -> None:
    token, sealed = "f" * 20, base64.b64encode(b"\x01").decode()
    secrets = {
        "consumer_key": "TESTCONS",
        "access_token": token,
        "access_token_secret": sealed,
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": keys.group_pem(PRIME),
    }
    assert code(keys.consumer_of, secrets) == "secret-of-another-key"
    consumer = keys.Consumer(
        consumer_key="TESTCONS",
        access_token=token,
        secret=b"hidden",
        signature_key=keys.private_key(made.signature, "signature"),
        prime=PRIME,
    )
    assert repr(consumer) == "Consumer(consumer_key='TESTCONS', generator=2)"
    assert consumer.realm == "test_realm"
