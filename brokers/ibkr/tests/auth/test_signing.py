"""Signatures and tokens are those of ibind, an independent client that works at IBKR, bit for bit."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brokers.ibkr.auth import agreement, keys, signing
from brokers.ibkr.auth.trouble import KeyRefused
from brokers.ibkr.tests.auth.conftest import PRIME, oauth

oauth1a: Any = pytest.importorskip("ibind.oauth.oauth1a", reason="ibind[oauth], a development dependency")
made, other = oauth.keys(), oauth.keys(2)
SIGNATURE_KEY = keys.private_key(made.signature, "signature")
ENCRYPTION_KEY = keys.private_key(made.encryption, "encryption")
BASE = "https://api.ibkr.com/v1/api/"
# Our own, so that what is compared does not depend on the run.
HEX = f"{PRIME:x}"
FIXED = {
    "oauth_consumer_key": "HALYARDXX",
    "oauth_nonce": "rRw9zjFqkVD0kZ1m",
    "oauth_timestamp": "1790000000",
    "oauth_token": "6f531f8fd316915af53f",
}
words = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Cs"]), max_size=30)


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.from_regex(r"[a-z0-9/%+~. _:-]{0,60}", fullmatch=True),
    more=st.dictionaries(words, words, max_size=4),
    prepend=st.sampled_from(["", "00ff17", "ab" * 32]),
)
def test_the_text_that_is_signed_is_that_of_ibind(method: str, path: str, more: dict[str, str], prepend: str) -> None:
    theirs = oauth1a.generate_base_string(method, BASE + path, FIXED | more, prepend=prepend or None)
    assert signing.base_string(method, BASE + path, FIXED | more, prepend=prepend) == theirs


@pytest.mark.parametrize("path", ["oauth/live_session_token", "oauth/request_token", "oauth/access_token"])
def test_an_rsa_signature_is_that_of_ibind(path: str) -> None:
    for more in ({"diffie_hellman_challenge": "a1b2c3"}, {"oauth_callback": "https://halyard.example/back?team=7"}):
        parameters = FIXED | more | {"oauth_signature_method": "RSA-SHA256"}
        text = signing.base_string("POST", BASE + path, parameters, prepend="00ff")
        theirs = oauth1a.read_private_key(private_key_content=made.signature)
        assert signing.rsa_signature(text, SIGNATURE_KEY) == oauth1a.generate_rsa_sha_256_signature(text, theirs)


@settings(deadline=None)
@given(token=st.binary(min_size=20, max_size=20), text=words)
def test_an_hmac_signature_is_that_of_ibind(token: bytes, text: str) -> None:
    theirs = oauth1a.generate_hmac_sha_256_signature(text, base64.b64encode(token).decode())
    assert signing.hmac_signature(text, token) == theirs


def test_a_whole_header_is_that_of_ibind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth1a, "generate_oauth_nonce", lambda: FIXED["oauth_nonce"])
    monkeypatch.setattr(oauth1a, "generate_request_timestamp", lambda: FIXED["oauth_timestamp"])
    config = oauth1a.OAuth1aConfig(
        access_token=FIXED["oauth_token"], consumer_key=FIXED["oauth_consumer_key"], realm="limited_poa"
    )
    token = bytes(range(20))
    url = f"{BASE}iserver/account/U0000001/orders"
    theirs = oauth1a.generate_oauth_headers(config, "POST", url, base64.b64encode(token).decode())
    signed = FIXED | {"oauth_signature_method": signing.HMAC}
    signed["oauth_signature"] = signing.hmac_signature(signing.base_string("POST", url, signed), token)
    assert signing.header(signed, realm="limited_poa") == theirs["Authorization"]


# -- the live session token --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(number=st.integers(2**255, 2**256 - 1), theirs=st.integers(2, 2**600))
def test_challenge_token_and_proof_are_those_of_ibind(number: int, theirs: int) -> None:
    response, secret = f"{pow(2, theirs, PRIME):x}", bytes(range(32))
    assert agreement.challenge(number, prime=PRIME, generator=2) == oauth1a.generate_dh_challenge(HEX, f"{number:x}")
    token = agreement.token_of(agreement.shared_bytes(response, number, prime=PRIME), secret)
    expected = oauth1a.calculate_live_session_token(HEX, f"{number:x}", response, secret.hex())
    assert base64.b64encode(token).decode() == expected
    proof = oauth1a.HMAC.new(token, b"HALYARDXX", oauth1a.SHA1).hexdigest()
    assert agreement.is_proved(token, "HALYARDXX", proof)
    assert not agreement.is_proved(token, "HALYARDXY", proof)
    assert not agreement.is_proved(token, "HALYARDXX", "")


@settings(deadline=None)
@given(shared=st.integers(2, PRIME - 2))
@example(shared=0x7F)
@example(shared=0x80)
@example(shared=0xFF)
@example(shared=0x100)
@example(shared=0x7FFF)
@example(shared=0x8000)
@example(shared=1 << 1023)
@example(shared=(1 << 1023) - 1)
def test_a_shared_number_is_the_bytes_of_a_signed_one(shared: int) -> None:
    # A secret number of 1 leaves the response as it is.
    data = agreement.shared_bytes(f"{shared:x}", 1, prime=PRIME)
    assert int.from_bytes(data, "big", signed=True) == shared
    assert list(data) == oauth1a.to_byte_array(shared)
    assert (data[0] == 0) == (shared.bit_length() % 8 == 0)


@pytest.mark.parametrize("response", ["", "0", "1", f"{PRIME - 1:x}", HEX, f"{PRIME + 5:x}", "-2", "0x5", "zz"])
def test_a_response_outside_the_group_makes_no_token(response: str) -> None:
    with pytest.raises(KeyRefused, match="prime") as refused:
        agreement.shared_bytes(response, 12345, prime=PRIME)
    assert refused.value.code == "prime-differs"


def test_our_secret_number_is_never_short() -> None:
    assert {agreement.new_number().bit_length() for _ in range(50)} == {256}


# -- the sealed secret -------------------------------------------------------------------------------------------


def sealed(secret: bytes, pem: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import padding

    key = keys.private_key(pem, "encryption").public_key()
    return base64.b64encode(key.encrypt(secret, padding.PKCS1v15())).decode()


@settings(deadline=None)
@given(secret=st.binary(min_size=1, max_size=64))
def test_a_secret_opens_as_it_does_with_ibind(secret: bytes) -> None:
    text = sealed(secret, made.encryption)
    theirs = oauth1a.read_private_key(private_key_content=made.encryption)
    assert agreement.opened(text, ENCRYPTION_KEY) == secret
    assert oauth1a.calculate_live_session_token_prepend(text, theirs) == secret.hex()
    assert agreement.opened(f"  {text[:40]}\n{text[40:]} \n", ENCRYPTION_KEY) == secret


def test_a_secret_of_another_key_is_known_at_once() -> None:
    for number in range(8):
        with pytest.raises(KeyRefused) as refused:
            agreement.opened(sealed(bytes([number]) * 32, other.encryption), ENCRYPTION_KEY)
        assert refused.value.code == "secret-of-another-key"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "secret-of-another-key"),
        ("AAAA", "secret-of-another-key"),
        ("not base64!", "secret-misspelled"),
        ("Ä" * 30, "secret-misspelled"),
        ("A" * 343, "secret-misspelled"),
        ("/" * 4000, "secret-of-another-key"),
    ],
)
def test_what_is_no_secret_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        agreement.opened(text, ENCRYPTION_KEY)
    assert refused.value.code == code


# -- nonces and times --------------------------------------------------------------------------------------------


def test_no_nonce_comes_twice() -> None:
    nonces = {signing.new_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9]{16}", nonce) for nonce in nonces)


def test_times_never_go_back_while_ibkr_could_have_heard_of_them() -> None:
    stamps = signing.Stamps()
    times = [1000.9, 1000.2, 998.0, 1003.0, 1001.0, 1003.5]
    assert [stamps.stamp("A", at) for at in times] == ["1000", "1000", "1000", "1003", "1003", "1003"]
    assert stamps.stamp("B", 900.0) == "900"


def test_a_clock_that_was_set_back_by_hours_is_believed_again() -> None:
    # IBKR refused what was stamped hours ahead, so it holds none of it against us.
    stamps = signing.Stamps()
    assert [stamps.stamp("A", at) for at in (90_000.0, 1000.0, 1001.0)] == ["90000", "1000", "1001"]


def test_a_new_process_stamps_nothing_before_the_token_that_it_takes_over() -> None:
    stamps = signing.Stamps()
    stamps.passed("KEY", 1_000_060.9)
    # The clock went back by a minute since another process asked for the token.
    assert [stamps.stamp("KEY", now) for now in (1_000_000.0, 1_000_059.0, 1_000_061.0)] == [
        "1000060",
        "1000060",
        "1000061",
    ]
    assert stamps.stamp("OTHER", 1_000_000.0) == "1000000"
