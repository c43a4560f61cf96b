"""A session's state, judged by what was last seen of it: one truth for every process and page. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from brokers.domain.brokerage import BrokerError, Paused
from brokers.domain.session import takeovers
from brokers.domain.session.picture import Picture, State, Terms
from brokers.domain.session.resets import reset_at
from brokers.domain.session.troubles import of_error
from brokers.domain.session.words import SIGNS_IN_ITSELF, WORDS, Words
from brokers.domain.sessions import AuthStatus, Ownership, SessionStatus

__all__ = ["Seen", "State", "Step", "Terms", "competes", "judged", "opening", "step"]

# What a look at a session brings: the broker's answer, or why there is none.
Seen = AuthStatus | BrokerError

# Seconds between looks: quick at first, then as seldom as IBKR bears through a night.
LADDER = (0.5, 1, 2, 5, 15, 30, 120, 300, 900)
NIGHT_LADDER = (30, 120, 300, 900)
# The operator's own simulated market minds nothing.
_SIMULATED_LONGEST = 30.0
SLOWLY = timedelta(seconds=60)
_IDENTITY_AFTER = timedelta(minutes=15)
_KEY_EVERY = timedelta(minutes=30)
_PAPER_EVERY = timedelta(hours=1)
_REFUSED_FROM = LADDER.index(120)
# IBKR wants no two sign-ins within five seconds.
INIT_EVERY = timedelta(seconds=5)
_SIMULATED_INIT_EVERY = timedelta(milliseconds=500)
# JSON, then a form: what is not open after both needs a person.
_WAYS_TO_OPEN = 2
# Why a session could not be opened holds until one of these ends, although a look shows a login without a session.
_STICKY = frozenset({"paper-user-not-ready", "session-gone"})
_OPENS = frozenset({"session-opens", "session-slow", "session-waits"})
# What is away or not signed in is looked at the more seldom the longer it lasts.
_LASTS = frozenset({SessionStatus.UNREACHABLE, SessionStatus.SIGNED_OUT, SessionStatus.ENCRYPTION_FAILED})
_REFUSES = frozenset({SessionStatus.REFUSED, SessionStatus.CERTIFICATE_REFUSED})


class Step(StrEnum):
    """What may be done about a session that is not open."""

    WAIT = "wait"
    OPEN = "open"
    FORM = "form"
    TAKE = "take"


def judged(seen: Seen, before: State, terms: Terms, now: datetime) -> State:
    """The state that follows from what was seen."""
    left = before.left_until
    if (
        isinstance(seen, AuthStatus)
        and seen.competing
        and left is None
        and before.status is not SessionStatus.COMPETING
    ):
        left = takeovers.left_until(terms.ownership, terms.polite_minutes, now)
    picture = (
        _of_answer(seen, before, terms, left, now)
        if isinstance(seen, AuthStatus)
        else of_error(seen, before, terms, now)
    )
    same = (picture.status, picture.code) == (before.status, before.code)
    active = picture.status is SessionStatus.ACTIVE
    due = before.next_try_at is None or now >= before.next_try_at or picture.status is not before.status
    tries = 0 if active or picture.status is not before.status else before.tries + due
    words = WORDS.get(picture.code, Words(""))
    out = picture.status is SessionStatus.SIGNED_OUT
    action = picture.action or words.action
    return State(
        status=picture.status,
        code=picture.code,
        since=before.since if same else now,
        reason=picture.reason or words.reason,
        action=SIGNS_IN_ITSELF if out and not terms.by_person else action,
        tries=tries,
        next_try_at=_next_try(picture, seen, before, terms, left, tries, now) if due else before.next_try_at,
        opens=0 if active else before.opens,
        opened_at=before.opened_at,
        left_until=None if active else left,
        taken=before.taken,
    )


def _of_answer(auth: AuthStatus, before: State, terms: Terms, left: datetime | None, now: datetime) -> Picture:
    if auth.ready:
        return Picture(SessionStatus.ACTIVE, "signed-in")
    if auth.competing:
        return Picture(SessionStatus.COMPETING, _competing_code(auth, before, terms, left, now))
    if not terms.simulated and (reset := reset_at(now, terms.region, terms.resets)) is not None:
        return Picture(SessionStatus.RESETTING, reset[0])
    if auth.authenticated or auth.waiting:
        slow = before.code in _OPENS and now - before.since >= SLOWLY
        if slow or before.code == "session-slow":
            return Picture(SessionStatus.NOT_OPENED, "session-slow")
        return Picture(SessionStatus.CONNECTING, "session-waits" if auth.waiting else "session-opens")
    if auth.code == "session-gone" or (auth.connected and before.code in _STICKY):
        code = before.code if before.code in _STICKY else auth.code
        return Picture(SessionStatus.NOT_OPENED, code)
    return _closed(before, now) if auth.connected else _signed_out(auth, before)


def _competing_code(auth: AuthStatus, before: State, terms: Terms, left: datetime | None, now: datetime) -> str:
    if takeovers.used_up(before.taken, now):
        return "takeovers-used-up"
    if before.code == "taking-over" or (before.code == auth.code == "session-not-taken-over"):
        # IBKR was asked for it and gave the other login the preference.
        return "session-not-taken-over" if auth.code == "session-not-taken-over" else "competing-session"
    if left is None:
        return "left-to-others"
    return "left-to-person" if now < left and terms.ownership is not Ownership.ALWAYS else "competing-session"


def _closed(before: State, now: datetime) -> Picture:
    """Somebody is signed in, and there is no brokerage session."""
    if before.opens < _WAYS_TO_OPEN:
        ended = before.can_trade or before.code == "session-ended"
        return Picture(SessionStatus.CONNECTING, "session-ended" if ended else "session-closed")
    long = before.code == "session-does-not-open" and now - before.since >= _IDENTITY_AFTER
    checked = long or before.code == "identity-check"
    return Picture(SessionStatus.NOT_OPENED, "identity-check" if checked else "session-does-not-open")


def _signed_out(auth: AuthStatus, before: State) -> Picture:
    code = auth.code or "not-signed-in"
    overnight = before.status is SessionStatus.RESETTING or before.code == "login-ended-overnight"
    if code == "not-signed-in" and overnight:
        code = "login-ended-overnight"
    if code in WORDS:
        return Picture(SessionStatus.SIGNED_OUT, code)
    return Picture(SessionStatus.SIGNED_OUT, code, auth.message, WORDS["not-signed-in"].action)


def _next_try(
    picture: Picture, seen: Seen, before: State, terms: Terms, left: datetime | None, tries: int, now: datetime
) -> datetime | None:
    """When to look again; None while it can trade: it is tickled then."""
    match picture.status:
        case SessionStatus.ACTIVE:
            return None
        case SessionStatus.CONNECTING:
            return now + timedelta(seconds=0.2 if terms.simulated else 1)
        case SessionStatus.COMPETING:
            take = takeovers.may_take_from(terms.ownership, left, before.taken, now, exit_due=terms.exit_due)
            look = now + timedelta(seconds=1 if terms.simulated else 15)
            return look if take is None else max(now, min(take, look))
        case SessionStatus.REVOKED:
            return now + _KEY_EVERY
        case SessionStatus.PENDING:
            return now + (_KEY_EVERY if picture.code == "key-not-active" else timedelta(days=1))
        case SessionStatus.NOT_OPENED if picture.code == "paper-user-not-ready":
            return now + _PAPER_EVERY
        case SessionStatus.PAUSED if isinstance(seen, Paused) and seen.retry_after is not None:
            return now + timedelta(seconds=seen.retry_after)
        case SessionStatus.RESETTING:
            reset = reset_at(now, terms.region, terms.resets)
            seldom = now + timedelta(seconds=_rung(NIGHT_LADDER, tries))
            return min(seldom, reset[1]) if reset is not None else seldom
    if picture.status in _LASTS:
        same = picture.code == before.code
        rung = _patience(now - before.since if same else timedelta(0), tries)
        return now + timedelta(seconds=min(rung, _SIMULATED_LONGEST) if terms.simulated else rung)
    rung = _rung(LADDER, tries + (_REFUSED_FROM if picture.status in _REFUSES else 0))
    return now + timedelta(seconds=min(rung, _SIMULATED_LONGEST) if terms.simulated else rung)


def _patience(lasted: timedelta, tries: int) -> float:
    """A quarter of the time that it has lasted, up to a quarter of an hour; quick again after a person acted."""
    return min(max(LADDER[0], lasted.total_seconds() / 4), LADDER[0] * 2.0 ** min(tries, 20), LADDER[-1])


def _rung(ladder: tuple[float, ...], tries: int) -> float:
    return ladder[min(tries, len(ladder) - 1)]


def step(state: State, terms: Terms, now: datetime) -> Step:
    """What may be done about the session now, beside looking."""
    every = _SIMULATED_INIT_EVERY if terms.simulated else INIT_EVERY
    fresh = state.opened_at is not None and now - state.opened_at < every
    if state.status is SessionStatus.COMPETING:
        take = takeovers.may_take_from(terms.ownership, state.left_until, state.taken, now, exit_due=terms.exit_due)
        return Step.TAKE if take is not None and take <= now else Step.WAIT
    if fresh or state.code in _OPENS or state.code == "accounts-unread":
        return Step.WAIT
    match state.status:
        case SessionStatus.CONNECTING:
            return Step.FORM if terms.by_person and state.opens == _WAYS_TO_OPEN - 1 else Step.OPEN
        case SessionStatus.NOT_OPENED | SessionStatus.RESETTING:
            return Step.OPEN
        case SessionStatus.SIGNED_OUT if terms.simulated or not terms.by_person:
            return Step.OPEN
        case _:
            return Step.WAIT


def competes(chosen: Step, state: State, terms: Terms, now: datetime) -> bool:
    """Whether a sign-in may push another login out: it then counts as a takeover."""
    if chosen is Step.TAKE:
        return True
    takes = terms.ownership is Ownership.ALWAYS and takeovers.allowed_from(state.taken, now) <= now
    return chosen is Step.FORM and takes


def opening(state: State, chosen: Step, now: datetime, *, competing: bool) -> State:
    """The state while a sign-in is under way."""
    code = "taking-over" if chosen is Step.TAKE else state.code
    connecting = chosen is Step.TAKE or state.status is SessionStatus.CONNECTING
    words = WORDS.get(code)
    recent = tuple(at for at in state.taken if now - at < takeovers.WITHIN)
    return State(
        status=SessionStatus.CONNECTING if connecting else state.status,
        code=code,
        since=state.since if code == state.code else now,
        reason=words.reason if words else state.reason,
        action=words.action if words else state.action,
        tries=state.tries,
        next_try_at=state.next_try_at,
        opens=min(state.opens + 1, 1000),
        opened_at=now,
        left_until=state.left_until,
        taken=(*recent, now) if competing else state.taken,
    )
