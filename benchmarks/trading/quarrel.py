"""A night of quarrel about one session, by a clock of its own: how often it is taken back. Pure, and over in a second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from brokers.domain.session.states import State, Step, Terms, competes, judged, opening, step
from brokers.domain.sessions import AuthStatus, Environment, Ownership, SessionStatus
from brokers.simulator.behaviour import fast
from brokers.simulator.gateway.session import Session

NIGHT = timedelta(hours=8)
BEGIN = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
ALARM = "takeovers-used-up"


@dataclass(frozen=True, slots=True)
class Quarrel:
    """What a night came to: takeovers, the most of a minute and of ten, and the seconds in which somebody was called."""

    takeovers: int
    most_in_a_minute: int
    most_in_ten: int
    alarmed: float


def night(ownership: Ownership, insists_s: float, *, exit_due: bool = False) -> Quarrel:
    """Our session's machine against the simulator's session, which a person at TWS takes again and again."""
    behaviour = fast()
    theirs = Session(username="quarrel", token="0")
    terms = Terms(environment=Environment.PAPER, ownership=ownership, polite_minutes=30, exit_due=exit_due)
    state = State(status=SessionStatus.ACTIVE, code="signed-in", since=BEGIN)
    now, taken, alarmed = BEGIN, list[datetime](), 0.0
    theirs.init(now.timestamp(), behaviour, compete=True)
    theirs.steal(insists_s=insists_s)
    while now < BEGIN + NIGHT:
        state = _looked(theirs, state, terms, now)
        chosen = step(state, terms, now)
        if chosen is not Step.WAIT:
            competing = competes(chosen, state, terms, now)
            state = opening(state, chosen, now, competing=competing)
            if theirs.init(now.timestamp(), behaviour, compete=competing) and competing:
                taken.append(now)
            state = _looked(theirs, state, terms, now)
        # While it is open, what happens next is that the person takes it; the stream tells us at once.
        due = state.next_try_at
        if due is None:
            due = now if theirs.returns_at is None else datetime.fromtimestamp(theirs.returns_at, UTC)
        due = max(due, now + timedelta(seconds=0.2))
        alarmed += (due - now).total_seconds() if state.code == ALARM else 0.0
        now = due
    return Quarrel(len(taken), _most(taken, timedelta(minutes=1)), _most(taken, timedelta(minutes=10)), alarmed)


def _looked(theirs: Session, state: State, terms: Terms, now: datetime) -> State:
    moment = now.timestamp()
    theirs.last_request_at = moment
    theirs.expire(moment, fast())
    status = theirs.status(moment)
    words = ("authenticated", "connected", "competing", "established")
    return judged(AuthStatus(**{word: status[word] for word in words}), state, terms, now)


def _most(taken: list[datetime], within: timedelta) -> int:
    """The most takeovers of any stretch so long."""
    return max((sum(begin <= at < begin + within for at in taken) for begin in taken), default=0)
