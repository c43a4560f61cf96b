"""OAuth 1.0a: a consumer's own keys ask for a live session token each day, which signs everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused
from brokers.domain.sessions import Login
from brokers.domain.tokens import LiveToken, TokenShelf
from brokers.ibkr.auth import agreement, refusals, signing
from brokers.ibkr.auth.keys import Consumer, consumer_of
from brokers.ibkr.auth.method import Answered, Post
from brokers.ibkr.auth.trouble import KeyRefused
from brokers.ibkr.cleaning import mapping, text

LIVE_TOKEN = "oauth/live_session_token"  # noqa: S105 - a path
HELP = "oauth"
# A token whose end IBKR does not say lasts a day; one that outlives this is not believed.
LONGEST = timedelta(hours=24)
STAMPS = signing.Stamps()


class OAuthLogin:
    """Implements `AuthMethod`. The token is the shelf's: every process signs with the same one."""

    def __init__(
        self,
        login: Login,
        shelf: TokenShelf,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stamps: signing.Stamps = STAMPS,
    ) -> None:
        self.base_url = login.base_url.rstrip("/")
        self._secrets, self._shelf, self._now, self._stamps = login.secrets, shelf, now, stamps
        self._consumer: Consumer | None = None
        self._token: LiveToken | None = None
        self._refused: LiveToken | None = None
        self._doubted: LiveToken | None = None

    @property
    def consumer(self) -> Consumer:
        """The keys of this login; LoginRefused names the one that cannot work."""
        if self._consumer is None:
            try:
                self._consumer = consumer_of(self._secrets)
            except KeyRefused as problem:
                raise LoginRefused(str(problem), help_page=HELP, code=problem.code) from problem
        return self._consumer

    @property
    def expires_at(self) -> datetime | None:
        return self._token.expires_at if self._token is not None else None

    async def prepare(self, post: Post) -> None:
        """Have a live session token: the shelf's, or a new one."""
        now = self._now()
        if self._token is not None and self._token != self._refused and not self._token.is_due(now):
            return

        async def make() -> LiveToken:
            return await self._agree(post)

        try:
            self._token = await self._shelf.token(make=make, refused=self._refused)
            # Another process may have asked for it, before the clock went back.
            self._stamps.passed(self.consumer.consumer_key, self._token.made_at.timestamp())
        except BrokerUnavailable:
            # IBKR renews tokens while the old one is in force: a renewal that fails is tried again.
            if self._token is None or self._token == self._refused or not self._token.in_force(now):
                raise

    async def _agree(self, post: Post) -> LiveToken:
        """Ask for a live session token, and verify that IBKR computed the same."""
        consumer, number, asked_at = self.consumer, agreement.new_number(), self._now()
        ours = agreement.challenge(number, prime=consumer.prime, generator=consumer.generator)
        signed = self._signed(signing.RSA) | {"diffie_hellman_challenge": ours}
        base = signing.base_string("POST", f"{self.base_url}/{LIVE_TOKEN}", signed, prepend=consumer.secret.hex())
        signed["oauth_signature"] = signing.rsa_signature(base, consumer.signature_key)
        answer = await post(LIVE_TOKEN, {"Authorization": signing.header(signed, realm=consumer.realm)})
        if (why := refusals.of_the_token(answer, self._now())) is not None:
            raise why
        body = mapping(answer.body)
        try:
            shared = agreement.shared_bytes(
                text(body.get("diffie_hellman_response"), 4096), number, prime=consumer.prime
            )
        except KeyRefused as problem:
            raise LoginRefused(str(problem), help_page=HELP, code=problem.code) from problem
        token = agreement.token_of(shared, consumer.secret)
        if not agreement.is_proved(token, consumer.consumer_key, text(body.get("live_session_token_signature"), 100)):
            raise refusals.unproved()
        made_at = max(asked_at, datetime.fromtimestamp(int(signed["oauth_timestamp"]), UTC))
        end = _end(body.get("live_session_token_expiration"), made_at)
        return LiveToken(value=token, made_at=made_at, expires_at=end)

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """A new signature: IBKR takes no nonce twice, and no timestamp before an earlier one."""
        if self._token is None:
            raise AssertionError("prepare() comes first")
        signed = self._signed(signing.HMAC)
        signed["oauth_signature"] = signing.hmac_signature(signing.base_string(method, url, signed), self._token.value)
        return {"Authorization": signing.header(signed, realm=self.consumer.realm)}

    def _signed(self, method: str) -> dict[str, str]:
        consumer = self.consumer
        return {
            "oauth_consumer_key": consumer.consumer_key,
            "oauth_token": consumer.access_token,
            "oauth_signature_method": method,
            "oauth_nonce": signing.new_nonce(),
            "oauth_timestamp": self._stamps.stamp(consumer.consumer_key, self._now().timestamp()),
        }

    def stream_headers(self) -> Mapping[str, str]:
        """The opening of a stream is not signed: its address and its cookie name the session."""
        return {}

    def stream_query(self) -> Mapping[str, str]:
        return {"oauth_token": self.consumer.access_token}

    def is_over(self, answer: Answered) -> bool:
        """Every 401, and a session that is Gone, may be the end of the token. Remembered, so that it signs nothing more.

        A signature that is refused may merely have come behind a later one of another process: the token is given up when
        it is refused once more, since a new one ends what the others sign with.
        """
        if not refusals.ends_the_token(answer):
            self._doubted = None
            return False
        if refusals.is_of_the_signature(answer) and self._doubted != self._token:
            self._doubted = self._token
        else:
            self._refused = self._token
        return True

    def refusal(self, answer: Answered) -> BrokerError | None:
        return refusals.of_a_request(answer, self._now())


def _end(expiration: Any, asked_at: datetime) -> datetime:
    """When the token ends: as IBKR says in milliseconds, and never later than a day from now."""
    longest = asked_at + LONGEST
    if isinstance(expiration, bool) or not isinstance(expiration, int | float) or not 0 < expiration < 1e14:
        return longest
    # By a clock of ours that is ahead it may be over already: then it serves this once.
    return max(asked_at + timedelta(seconds=1), min(longest, datetime.fromtimestamp(expiration / 1000, UTC)))
