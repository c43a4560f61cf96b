"""Why a session could not be looked at, as a picture of it: each trouble has its own word and sentence. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.domain.brokerage import (
    BrokerError,
    BrokerUnavailable,
    CertificateRefused,
    LoginRefused,
    Paused,
    SessionLost,
)
from brokers.domain.certificates import ending
from brokers.domain.session.picture import Picture, State, Terms
from brokers.domain.session.resets import reset_at
from brokers.domain.session.words import (
    NOT_REACHED_AT_IBKR,
    NOT_REACHED_SIMULATED,
    OF_IBKRS_OWN_ADDRESS,
    WORDS,
    WORDS_OF_A_GATEWAY,
    WORDS_OF_THE_OPERATORS_KEYS,
)
from brokers.domain.sessions import SessionStatus

_TWO_WEEKS = timedelta(days=14)
# Something answers, so that neither silence nor a night is why nothing could be asked.
_NO_LINE = frozenset(
    {
        "gateway-speaks-http",
        "gateway-speaks-https",
        "handshake-unanswered",
        "tls-broken-off",
        "client-certificate-wanted",
    }
)


def of_error(error: BrokerError, before: State, terms: Terms, now: datetime) -> Picture:
    """The picture that an error gives of the session behind it."""
    match error:
        case LoginRefused():
            return _of_login(error, before, terms, now)
        case Paused():
            return Picture(SessionStatus.PAUSED, error.code, str(error))
        case BrokerUnavailable(code="paper-user-not-ready" | "accounts-unread"):
            return Picture(SessionStatus.NOT_OPENED, error.code)
        case BrokerUnavailable() if error.code in _NO_LINE:
            return Picture(SessionStatus.ENCRYPTION_FAILED, error.code)
        case BrokerUnavailable():
            reset = (
                None if terms.simulated or error.code == "not-reached" else reset_at(now, terms.region, terms.resets)
            )
            if reset is not None:
                return Picture(SessionStatus.RESETTING, reset[0])
            return Picture(SessionStatus.UNREACHABLE, error.code, str(error), _where_silent(error.code, terms))
        case SessionLost(code="session-gone"):
            return Picture(SessionStatus.NOT_OPENED, error.code, str(error))
        case _:
            return Picture(SessionStatus.SIGNED_OUT, error.code, str(error))


def _of_login(error: LoginRefused, before: State, terms: Terms, now: datetime) -> Picture:
    """A login that only a person can mend."""
    match error:
        case LoginRefused(code="key-not-active") if terms.has_signed:
            return _revoked("key-withdrawn", terms)
        case LoginRefused(code="token-revoked"):
            return _revoked("token-revoked", terms)
        case LoginRefused(code="key-not-active"):
            since = before.since if before.status is SessionStatus.PENDING else now
            late = now - since >= _TWO_WEEKS or before.code == "key-never-active"
            return _pending("key-never-active" if late else "key-not-active", terms)
        case CertificateRefused():
            return _certificate(error, terms)
        case LoginRefused() if error.code in WORDS:
            return Picture(SessionStatus.REFUSED, error.code)
        case _:
            return Picture(SessionStatus.REFUSED, error.code, str(error))


def _where_silent(code: str, terms: Terms) -> str:
    """What to do about an address at which nobody answers; "" where the code's own words say it."""
    if code != "not-reached":
        return ""
    if terms.simulated:
        return NOT_REACHED_SIMULATED
    return "" if terms.by_person else NOT_REACHED_AT_IBKR


def _certificate(error: CertificateRefused, terms: Terms) -> Picture:
    """What answers shows a certificate that is not believed; who can accept it depends on whose address it is."""
    words = WORDS[error.code]
    seen = f" The new one ends in {ending(error.seen)}." if error.seen else ""
    action = words.action if terms.by_person else OF_IBKRS_OWN_ADDRESS
    return Picture(SessionStatus.CERTIFICATE_REFUSED, error.code, words.reason + seen, action)


def _pending(code: str, terms: Terms) -> Picture:
    """IBKR does not take the consumer key yet; at a gateway the key is not ours, if there is one at all."""
    words = (WORDS_OF_A_GATEWAY if terms.by_person and not terms.simulated else WORDS)[code]
    return Picture(SessionStatus.PENDING, code, words.reason, words.action)


def _revoked(code: str, terms: Terms) -> Picture:
    """IBKR takes what it took before no more; who can give it again depends on whose keys they are."""
    words = (WORDS_OF_THE_OPERATORS_KEYS if terms.by_operator else WORDS)[code]
    return Picture(SessionStatus.REVOKED, code, words.reason, words.action)
