"""Who may sign requests: consumers with their keys, what users granted them, and the live session tokens in use."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from brokers.simulator.oauth import signatures
from brokers.simulator.oauth.problems import (
    INVALID_CONSUMER,
    NOT_FOR_FIRST_PARTY,
    TOKEN_EXPIRED,
    Unauthorised,
    badly_signed,
    no_secret,
)

STATES = ("pending", "active", "revoked")
PARTIES = ("first", "third")
# The callback of a program that has no address: its user carries the verifier over by hand.
OUT_OF_BAND = "oob"
# The user of a request that asks for a token: nobody has been signed in yet.
NOBODY = "oauth"
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REQUEST_LIFE_S = 600.0
# How far a client's clock may be from ours.
_CLOCK_S = 300.0
_NONCES = 50_000


@dataclass(kw_only=True)
class Consumer:
    """A program with keys of its own: its owner's (first party) or a vendor's (third party)."""

    consumer_key: str
    name: str
    party: str
    signature_key: str
    encryption_key: str
    dh_prime: int
    dh_generator: int = 2
    state: str = "active"

    @cached_property
    def signing(self) -> RSAPublicKey:
        return signatures.public_key(self.signature_key)

    @property
    def realm(self) -> str:
        """The broker's test consumer has a realm of its own."""
        return "test_realm" if self.consumer_key == "TESTCONS" else "limited_poa"


@dataclass(slots=True, kw_only=True)
class AccessToken:
    """What a username granted to a consumer."""

    token: str
    consumer_key: str
    username: str
    secret: bytes


@dataclass(slots=True, kw_only=True)
class RequestToken:
    """A program's request for a grant; in memory, and for ten minutes only."""

    token: str
    consumer_key: str
    callback: str
    until: float
    username: str = ""
    verifier: str = ""


@dataclass(slots=True, kw_only=True)
class LiveSession:
    """A live session token; in memory only, as a session is."""

    token: bytes
    until: float
    signed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A signed request as it arrived."""

    method: str
    urls: tuple[str, ...]
    signed: dict[str, str]
    query: tuple[tuple[str, str], ...]
    # The time on the wall, which the virtual clock does not move: clients stamp their requests with it.
    at: float


@dataclass(slots=True)
class _Signer:
    """What one consumer or token sent before."""

    latest: int = 0
    nonces: dict[str, int] = field(default_factory=dict)


class OAuth:
    """The registered consumers and everything that was granted to them."""

    def __init__(self, consumers: Iterable[Consumer] = (), tokens: Iterable[AccessToken] = ()) -> None:
        self.consumers = {c.consumer_key: c for c in consumers}
        self.tokens = {t.token: t for t in tokens}
        self.requests: dict[str, RequestToken] = {}
        self.sessions: dict[str, LiveSession] = {}
        # Usernames that the sign-in page takes for live ones.
        self.live_usernames: set[str] = set()
        self.refusals: deque[dict[str, Any]] = deque(maxlen=200)
        self._signers: dict[tuple[str, str], _Signer] = {}

    # -- checks --------------------------------------------------------------------------------------------------

    def consumer(self, presented: Presented) -> Consumer:
        """The active consumer a request names."""
        consumer = self.consumers.get(presented.signed.get("oauth_consumer_key", ""))
        if consumer is None or consumer.state != "active":
            state = "unknown" if consumer is None else consumer.state
            raise Unauthorised(INVALID_CONSUMER, f"the consumer key is {state}")
        if (realm := presented.signed.get("realm")) not in {None, consumer.realm}:
            raise Unauthorised(INVALID_CONSUMER, f"the realm is {realm}, not {consumer.realm}")
        return consumer

    def check_rsa(self, consumer: Consumer, presented: Presented, *, prepend: str = "", slack_s: float = 0.0) -> None:
        """Refuse what the consumer did not sign with its signature key."""
        signature = self._signature(presented, signatures.RSA)
        if not signatures.signed_with_rsa(consumer.signing, signature, _texts(presented, prepend)):
            raise badly_signed("the RSA signature is of another text or another key", next(_texts(presented)))
        self._once(presented, slack_s)

    def check_hmac(self, presented: Presented, now: float, *, slack_s: float = 0.0) -> AccessToken:
        """The access token of a request signed with its live session token."""
        consumer = self.consumer(presented)
        granted = self.granted(consumer, presented)
        session = self.sessions.get(granted.token)
        if session is None or now >= session.until:
            raise Unauthorised(TOKEN_EXPIRED, "there is no live session token in force")
        signature = self._signature(presented, signatures.HMAC)
        if not signatures.signed_with_hmac(session.token, signature, _texts(presented)):
            raise badly_signed("the HMAC is of another text or another live session token", next(_texts(presented)))
        self._once(presented, slack_s)
        return granted

    def granted(self, consumer: Consumer, presented: Presented) -> AccessToken:
        """The access token a request names, when it is this consumer's."""
        granted = self.tokens.get(presented.signed.get("oauth_token", ""))
        if granted is None or granted.consumer_key != consumer.consumer_key or not granted.secret:
            raise Unauthorised(no_secret(consumer.consumer_key), "the access token is not of this consumer")
        return granted

    @staticmethod
    def _signature(presented: Presented, method: str) -> bytes:
        if (chosen := presented.signed.get("oauth_signature_method")) != method:
            raise badly_signed(f"the signature method is {chosen}, not {method}")
        signature = signatures.signature_bytes(presented.signed.get("oauth_signature", ""))
        if signature is None:
            raise badly_signed("the signature is not base64")
        return signature

    def _once(self, presented: Presented, slack_s: float) -> None:
        """Refuse a nonce that was used, and a timestamp before the latest; remember both."""
        signed = presented.signed
        nonce, stamp = signed.get("oauth_nonce", ""), signed.get("oauth_timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or not nonce:
            raise badly_signed("a nonce and a timestamp in seconds belong to every request")
        at = int(stamp)
        signer = self._signers.setdefault((signed["oauth_consumer_key"], signed.get("oauth_token", "")), _Signer())
        if abs(at - presented.at) > _CLOCK_S:
            raise badly_signed(f"the timestamp is {round(at - presented.at)} seconds from ours")
        if at < signer.latest - slack_s:
            raise badly_signed("the timestamp is before that of an earlier request")
        if nonce in signer.nonces:
            raise badly_signed("the nonce was signer before")
        signer.latest = max(at, signer.latest)
        signer.nonces[nonce] = at
        if len(signer.nonces) > _NONCES:
            # Older ones cannot come back: their timestamp would be refused.
            signer.nonces = {n: t for n, t in signer.nonces.items() if t >= signer.latest - 2 * _CLOCK_S}

    # -- grants --------------------------------------------------------------------------------------------------

    def ask(self, consumer: Consumer, callback: str, now: float) -> RequestToken:
        """Begin the three-legged flow."""
        if consumer.party == "first":
            raise Unauthorised(NOT_FOR_FIRST_PARTY, "a first-party consumer has its access token already")
        self.requests = {t: r for t, r in self.requests.items() if now < r.until}
        request = RequestToken(
            token=secrets.token_hex(10),
            consumer_key=consumer.consumer_key,
            callback=callback,
            until=now + _REQUEST_LIFE_S,
        )
        self.requests[request.token] = request
        return request

    def open_request(self, token: str, now: float) -> RequestToken | None:
        """The grant a sign-in page is about, while it may still be answered."""
        request = self.requests.get(token)
        return request if request is not None and now < request.until and not request.verifier else None

    @staticmethod
    def allow(request: RequestToken, username: str) -> None:
        """Record the user's consent, and make the verifier that proves it."""
        request.username, request.verifier = username, secrets.token_hex(10)

    def exchange(self, consumer: Consumer, presented: Presented, now: float) -> AccessToken:
        """Turn an allowed request token into an access token; it works once."""
        asked = self.requests.get(presented.signed.get("oauth_token", ""))
        verifier = presented.signed.get("oauth_verifier", "")
        if asked is None or now >= asked.until or asked.consumer_key != consumer.consumer_key:
            raise Unauthorised(TOKEN_EXPIRED, "the request token is unknown, used or older than ten minutes")
        if not asked.verifier or not secrets.compare_digest(asked.verifier.encode(), verifier.encode()):
            raise Unauthorised(TOKEN_EXPIRED, "the verifier is not the one of this request token")
        del self.requests[asked.token]
        return self.grant(consumer, asked.username)

    def grant(self, consumer: Consumer, username: str) -> AccessToken:
        """The access token of a username for a consumer, with a new secret."""
        of_both = (t for t in self.tokens.values() if (t.consumer_key, t.username) == (consumer.consumer_key, username))
        granted = next(of_both, None)
        if granted is None:
            granted = AccessToken(
                token=secrets.token_hex(10), consumer_key=consumer.consumer_key, username=username, secret=b""
            )
            self.tokens[granted.token] = granted
        granted.secret = secrets.token_bytes(32)
        self.sessions.pop(granted.token, None)
        return granted

    def revoke(self, consumer: Consumer, username: str) -> int:
        """The user lets the program in no more; returns how many tokens that ends. Another grant makes a new secret."""
        ended = [t for t in self.tokens.values() if (t.consumer_key, t.username) == (consumer.consumer_key, username)]
        for granted in ended:
            granted.secret = b""
            self.sessions.pop(granted.token, None)
        return len(ended)

    def open_session(self, granted: AccessToken, token: bytes, until: float) -> None:
        self.sessions[granted.token] = LiveSession(token=token, until=until)

    def note(self, method: str, path: str, reason: str, at: str) -> None:
        """Remember why a request was refused; the client does not learn it."""
        self.refusals.append({"at": at, "method": method, "path": path, "reason": reason[:4000]})

    def sign_out(self, granted: AccessToken) -> None:
        """After a logout the live session token is of no more use."""
        if (session := self.sessions.get(granted.token)) is not None:
            session.signed_out = True

    def expire(self, username: str | None = None) -> int:
        """End live session tokens, of everybody or of one username; returns how many."""
        ended = [t for t in self.sessions if username in {None, self.tokens[t].username}]
        for token in ended:
            del self.sessions[token]
        return len(ended)


def _texts(presented: Presented, prepend: str = "") -> Iterator[str]:
    return signatures.base_strings(presented.method, presented.urls, presented.signed, presented.query, prepend)
