"""A user lets a program in: it asks for a request token, the user allows it at IBKR's page, and it gets an access token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused
from brokers.ibkr.auth import refusals, signing
from brokers.ibkr.auth.agreement import opened
from brokers.ibkr.auth.keys import Program
from brokers.ibkr.auth.method import Answered, Post
from brokers.ibkr.auth.oauth import STAMPS
from brokers.ibkr.auth.trouble import KeyRefused
from brokers.ibkr.cleaning import mapping, text

REQUEST_TOKEN, ACCESS_TOKEN = "oauth/request_token", "oauth/access_token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a user has granted. `is_paper` is None where IBKR does not say whose money it is."""

    token: str = field(repr=False)
    sealed_secret: str = field(repr=False)
    is_paper: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A program at IBKR's door. Every request is signed anew, and sent once."""

    program: Program
    base_url: str
    post: Post
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    stamps: signing.Stamps = STAMPS

    async def request_token(self, callback: str) -> str:
        """A name for one way to IBKR's page and back. Raises BrokerError."""
        answer = await self._ask(REQUEST_TOKEN, {"oauth_callback": callback})
        token = text(mapping(answer.body).get("oauth_token"), 200)
        if answer.status != 200 or not _TOKEN.fullmatch(token):
            raise _refusal(answer, self.now())
        return token

    async def access(self, token: str, verifier: str) -> Access:
        """What the user granted, for the verifier that the browser brought. Raises BrokerError."""
        answer = await self._ask(ACCESS_TOKEN, {"oauth_token": token, "oauth_verifier": verifier})
        body = mapping(answer.body)
        granted, sealed = text(body.get("oauth_token"), 200), text(body.get("oauth_token_secret"), 4096)
        if answer.status != 200 or not _TOKEN.fullmatch(granted) or not sealed:
            raise _refusal(answer, self.now())
        try:
            opened(sealed, self.program.encryption_key)
        except KeyRefused as problem:
            raise LoginRefused(
                "IBKR sealed the access for another encryption key than this installation's. Tell whoever runs Halyard.",
                help_page=refusals.HELP,
                code="operator-keys-differ",
            ) from problem
        is_paper = body.get("is_paper")
        return Access(token=granted, sealed_secret=sealed, is_paper=is_paper if isinstance(is_paper, bool) else None)

    async def _ask(self, path: str, more: Mapping[str, str]) -> Answered:
        program = self.program
        signed = {
            "oauth_consumer_key": program.consumer_key,
            "oauth_signature_method": signing.RSA,
            "oauth_nonce": signing.new_nonce(),
            "oauth_timestamp": self.stamps.stamp(program.consumer_key, self.now().timestamp()),
            **more,
        }
        base = signing.base_string("POST", f"{self.base_url.rstrip('/')}/{path}", signed)
        signed["oauth_signature"] = signing.rsa_signature(base, program.signature_key)
        return await self.post(path, {"Authorization": signing.header(signed, realm=program.realm)})


def page_of(authorize_url: str, token: str) -> str:
    """IBKR's page, where the user signs in and allows it."""
    return f"{authorize_url}{'&' if '?' in authorize_url else '?'}{urlencode({'oauth_token': token})}"


def _refusal(answer: Answered, now: datetime) -> BrokerError:
    words = refusals.said_in(answer)
    if answer.status not in {400, 401, 403}:
        return BrokerUnavailable(
            f"IBKR gave no usable answer (status {answer.status}), so nothing was allowed. Start again in a minute.",
            code="no-token-given",
        )
    if "expired" in words or "verifier" in words:
        return LoginRefused(
            "IBKR does not take this sign-in any more: it was used already, or more than ten minutes have passed. "
            "Start again.",
            help_page=refusals.HELP,
            code="sign-in-over",
        )
    if "invalid consumer" in words:
        return LoginRefused(
            "IBKR does not take the consumer key of this installation. Tell whoever runs Halyard; meanwhile another way "
            "of signing in works.",
            help_page=refusals.HELP,
            code="operator-key-refused",
        )
    if answer.at is not None and abs(answer.at - now) > refusals.SKEW:
        return refusals.skewed(answer.at - now)
    return LoginRefused(
        "IBKR could not verify this installation's signature. Tell whoever runs Halyard that its keys at IBKR differ.",
        help_page=refusals.HELP,
        code="operator-keys-differ",
    )
