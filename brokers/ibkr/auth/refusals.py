"""What IBKR's refusals of signed requests mean, and what to do about each. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.domain.brokerage import SLOW_DOWN, BrokerError, BrokerUnavailable, LoginRefused, Paused, SessionLost
from brokers.ibkr.auth.method import Answered
from brokers.ibkr.cleaning import mapping, text

HELP = "oauth"
# IBKR takes a request whose time is a few minutes off; a clock that is further off is worth a sentence.
SKEW = timedelta(minutes=2)


def said_in(answer: Answered) -> str:
    """The words of a refusal, in lower case."""
    body = mapping(answer.body)
    return text(body.get("error") or body.get("detail") or body.get("message"), 500).lower()


def ends_the_token(answer: Answered) -> bool:
    """Whether a new token may help: not where IBKR refuses the consumer itself."""
    if answer.status == 410:
        return True
    return answer.status == 401 and "invalid consumer" not in said_in(answer)


def is_of_the_signature(answer: Answered) -> bool:
    """Whether it was this one request that was refused: its signature, its nonce or its timestamp."""
    return answer.status == 401 and "invalid signature" in said_in(answer)


def of_a_request(answer: Answered, now: datetime) -> BrokerError | None:
    """Why a request was refused although its token is new."""
    if answer.status == 410:
        return SessionLost(
            "IBKR opens no session with a token that it has just given out. Halyard asks for another one and tries again.",
            code="session-gone",
        )
    if answer.status != 401:
        return None
    words = said_in(answer)
    if "invalid signature" in words or "invalid consumer" in words:
        return _of_the_keys(words, answer, now)
    if "expired" in words:
        return SessionLost(
            "IBKR says that a token has expired which it has just given out. Halyard asks for another one and tries again.",
            code="login-expired",
        )
    return None


def of_the_token(answer: Answered, now: datetime) -> BrokerError | None:
    """Why no live session token came; None when one did."""
    if answer.status == 429:
        retry_after = getattr(answer, "retry_after", None)
        return Paused(SLOW_DOWN, retry_after=retry_after)
    if answer.status in {400, 401, 403}:
        return _of_the_keys(said_in(answer), answer, now)
    if answer.status != 200 or not mapping(answer.body).get("diffie_hellman_response"):
        return BrokerUnavailable(
            f"IBKR gave out no token for this connection (status {answer.status}), and no reason either. "
            "Halyard tries again; if it lasts, look at IBKR's system status.",
            code="no-token-given",
        )
    return None


def _of_the_keys(words: str, answer: Answered, now: datetime) -> LoginRefused:
    if "invalid consumer" in words:
        return LoginRefused(
            "IBKR does not know this consumer key, or has not activated it yet: it activates keys overnight, sometimes after "
            "the weekend, and up to two weeks have been seen. Compare the nine letters with IBKR's page, then wait.",
            help_page=HELP,
            code="key-not-active",
        )
    if "no access secret" in words or "lst failed" in words:
        return LoginRefused(
            "IBKR does not know this access token any more: it was revoked, or it belongs to another consumer key. Generate "
            "a token on IBKR's page again, and give this connection the token and its secret.",
            help_page=HELP,
            code="token-revoked",
        )
    if answer.at is not None and abs(answer.at - now) > SKEW:
        return skewed(answer.at - now)
    return LoginRefused(
        "IBKR could not verify Halyard's signature. Either another signature key was uploaded than this connection's, or the "
        "access token's secret is not its newest one. Upload the keys again, or generate the token again.",
        help_page=HELP,
        code="keys-do-not-match",
    )


def skewed(behind: timedelta) -> LoginRefused:
    """The clock of this server and IBKR's are too far apart."""
    minutes = max(1, round(abs(behind).total_seconds() / 60))
    which = "behind" if behind > timedelta(0) else "ahead of"
    return LoginRefused(
        f"IBKR refuses the signature, and the clock of this server is {minutes} minutes {which} IBKR's. Have whoever runs "
        "Halyard set the clock (NTP); Halyard signs in again by itself.",
        help_page=HELP,
        code="clock-differs",
    )


def unproved() -> LoginRefused:
    """The other side computed another token than ours."""
    return LoginRefused(
        "IBKR's proof of the token does not fit, so Halyard does not use it. Another Diffie-Hellman file was uploaded than "
        "this connection's: upload dhparam.pem again, or paste the prime that IBKR has.",
        help_page=HELP,
        code="token-not-proved",
    )
