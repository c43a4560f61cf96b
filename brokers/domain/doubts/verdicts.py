"""What follows from the evidence about an order in doubt. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.domain.doubts.evidence import Evidence, Origin, Sight, Source, Terms, day_ends_between, is_enough
from brokers.domain.doubts.limits import CANCEL_NOT_TOLD, LIMITS, TOO_LONG
from brokers.domain.orders import OrderType
from brokers.domain.sentences import grouped

MOST_POSTS = 2
# What is held has changed as if the order had filled, and no fill is shown.
MAY_HAVE_FILLED = "may-have-filled"
# IBKR took the order's cancel, and nothing of it is shown any more.
NOT_SHOWN_ANY_MORE = "canceled-not-shown"
_UNDECIDABLE = "not-to-be-decided"
# Verdicts that say of an order that IBKR's lists do not show it.
_OF_THE_LISTS = frozenset({"proven-absent", "acknowledged-then-gone", "registered-not-shown", NOT_SHOWN_ANY_MORE})
# IBKR knows a reference for 24 hours; a few of them are left for clocks that differ.
PROTECTED = timedelta(hours=20)


class Resend(StrEnum):
    """Which orders may leave a second time under the same reference, once it is proven that IBKR never had them."""

    NEVER = "never"
    LIMIT = "limit"
    ALL = "all"


class Step(StrEnum):
    LOOK = "look"
    SEND_AGAIN = "send_again"
    ABSENT = "absent"
    CANCELED = "canceled"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What of the order decides whether it may leave again: how often it left, until when it may leave, its type.

    `alone`: it may leave by itself, and not only with the order that it belongs to. `head_in_doubt`: of that order it is not
    known either whether IBKR has it. `canceled`: IBKR took a cancel of it, or
    said that it had none to cancel. `moved`: by how much more is held since
    than fills explain, in units, where this order would explain it; `moved_at`: when that was first seen.
    `cancel_taken_at`: when IBKR answered that cancel. `unlisted_since`: since when its list of orders has been empty.
    """

    posts: int
    expires_at: datetime
    type: OrderType
    resend: Resend = Resend.LIMIT
    alone: bool = True
    head_in_doubt: bool = False
    canceled: bool = False
    moved: Decimal = Decimal(0)
    moved_at: datetime | None = None
    cancel_taken_at: datetime | None = None
    unlisted_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The next step, with its stable code and the sentence that a person reads."""

    step: Step
    code: str
    sentence: str


def judge(evidence: Evidence, sight: Sight, matter: Matter, terms: Terms, now: datetime) -> Verdict:
    """What to do about an order that no list has named so far."""
    if evidence.origin is Origin.ANOTHER:
        return _ask("another-order", "IBKR shows another order under this reference.")
    seen_both = all(evidence.count(source) for source in Source)
    # Lists of a new day show what works on and what has filled: of what was to be canceled they prove as much as before.
    began_anew = day_ends_between(evidence.sent_at, now, terms) and not _was_canceled(evidence, matter)
    if began_anew and seen_both:
        return _ask(
            "past-the-day",
            "IBKR's day ended before the order was found: its list of orders began anew and proves nothing any more.",
        )
    verdict = _look_on(evidence, sight, terms, now)
    if evidence.origin is Origin.REGISTERED:
        verdict = _registered(evidence, sight, terms, now)
    elif is_proven(evidence, sight, terms):
        verdict = _absent(evidence, matter, terms, now)
    if verdict.step is Step.LOOK and now - evidence.since >= LIMITS.longest:
        verdict = too_long(evidence.since)
    if verdict.code == _UNDECIDABLE and _was_canceled(evidence, matter):
        verdict = _ask(CANCEL_NOT_TOLD, _not_told(matter))
    return _by_holdings(verdict, matter, terms, now)


def too_long(since: datetime) -> Verdict:
    """A person is asked, since IBKR's lists could not be looked through well enough for as long as anybody may wait."""
    return _ask(
        TOO_LONG,
        f"Halyard has not been able to find out since {_said(since)} whether IBKR has this order: its session, its live"
        " stream or its lists were not there for long enough.",
    )


def _not_told(matter: Matter) -> str:
    """What is known of an order whose end IBKR does not tell."""
    taken = f"IBKR took the cancel of this order{_at(matter.cancel_taken_at)}"
    if matter.unlisted_since is None:
        return f"{taken}, and its answers since do not tell what became of the order."
    empty = f"its list of orders has been empty since {_said(matter.unlisted_since)}, which proves nothing"
    return f"{taken}. No execution shows it, and {empty}: the order may still work."


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f" at {_said(moment)}"


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M} UTC on {moment.astimezone(UTC):%-d %B}"


def _by_holdings(verdict: Verdict, matter: Matter, terms: Terms, now: datetime) -> Verdict:
    """The verdict by lists of orders and executions, where what is held says that the order may have filled.

    Its fill may be shown late: it is waited for, for a while, and then a person is asked. Nothing counts as absent.
    """
    if matter.moved_at is None:
        return verdict
    change = may_have_filled(matter.moved)
    if verdict.step is Step.LOOK:
        return replace(verdict, sentence=f"{change} {verdict.sentence}")
    if verdict.code not in _OF_THE_LISTS:
        return replace(verdict, sentence=f"{verdict.sentence} {change}")
    if (now - matter.moved_at).total_seconds() < terms.untold:
        return Verdict(step=Step.LOOK, code=MAY_HAVE_FILLED, sentence=f"{change} Looking for its fill.")
    return _ask(MAY_HAVE_FILLED, f"Neither IBKR's orders nor its executions show this order. {change}")


def may_have_filled(moved: Decimal) -> str:
    """What a change of a holding says of an order that would explain it, as a sentence."""
    much = f"{grouped(abs(moved))} {'more' if moved > 0 else 'fewer'}"
    return f"IBKR's list of positions shows {much} than all fills explain: this order may have filled."


def _was_canceled(evidence: Evidence, matter: Matter) -> bool:
    """Whether IBKR had the order, and heard that it was to be canceled."""
    return evidence.origin is Origin.VANISHED and matter.canceled


def is_proven(evidence: Evidence, sight: Sight, terms: Terms) -> bool:
    """Whether both lists missed the order often and long enough while nothing could be missed."""
    clear, start, latest = sight.clear_since(), evidence.counting_since, evidence.latest
    if clear is None or start is None or latest is None or start < clear or not is_enough(evidence, terms):
        return False
    # The stream has spoken after the last look: until then it may have ended unnoticed.
    return sight.heard_at is not None and sight.heard_at >= latest - timedelta(seconds=terms.lag)


def _registered(evidence: Evidence, sight: Sight, terms: Terms, now: datetime) -> Verdict:
    looked_for = (now - evidence.since).total_seconds()
    if is_proven(evidence, sight, terms) and looked_for >= terms.span + terms.registered:
        return _ask(
            "registered-not-shown",
            "IBKR says that it has this reference, and neither its orders nor its executions show it: it may wait in a"
            " question, or IBKR refused it.",
        )
    return _look_on(evidence, sight, terms, now)


def _absent(evidence: Evidence, matter: Matter, terms: Terms, now: datetime) -> Verdict:
    if _was_canceled(evidence, matter):
        sentence = "Canceled: IBKR was asked to, and neither its orders nor its executions show the order any more."
        return Verdict(step=Step.CANCELED, code=NOT_SHOWN_ANY_MORE, sentence=sentence)
    if evidence.origin is Origin.VANISHED:
        return _ask(
            "acknowledged-then-gone",
            "IBKR acknowledged this order, and neither its orders nor its executions show it any more.",
        )
    if matter.head_in_doubt:
        # Ended before its head is decided it would not leave with it again, and the head would work without its stop.
        sentence = "IBKR does not show this leg; what becomes of it is decided with the order that it came with."
        return Verdict(step=Step.LOOK, code="waits-for-head", sentence=sentence)
    if may_leave_again(evidence, matter, terms, now):
        return Verdict(
            step=Step.SEND_AGAIN,
            code="proven-absent",
            sentence="IBKR has never had this order; sending it again under the same reference.",
        )
    return Verdict(step=Step.ABSENT, code="proven-absent", sentence="IBKR shows no such order.")


def may_leave_again(evidence: Evidence, matter: Matter, terms: Terms, now: datetime) -> bool:
    """Whether an order that IBKR provably does not have may leave once more under its reference."""
    allowed = matter.resend is Resend.ALL or (matter.resend is Resend.LIMIT and matter.type is OrderType.LIMIT)
    protected = now - evidence.sent_at < PROTECTED and not day_ends_between(evidence.sent_at, now, terms)
    return allowed and protected and matter.alone and matter.posts < MOST_POSTS and matter.expires_at > now


def _look_on(evidence: Evidence, sight: Sight, terms: Terms, now: datetime) -> Verdict:
    """Look again; or ask a person where IBKR could be asked for long enough and its answers still prove nothing."""
    if sight.session_since is not None:
        begin = max(evidence.looking_since or now, sight.session_since)
        asked_for = (now - begin).total_seconds()
        if asked_for >= terms.patience and not sight.resetting:
            missing = "the live stream had gaps" if sight.stream_since is None else "its lists were not complete"
            return _ask(_UNDECIDABLE, f"IBKR's answers do not tell whether it has this order: {missing}.")
    if sight.session_since is None:
        return Verdict(step=Step.LOOK, code="waits-for-session", sentence="Looking again once the session is open.")
    if sight.resetting:
        return Verdict(step=Step.LOOK, code="waits-for-reset", sentence="Looking again once IBKR's restart is over.")
    if sight.stream_since is None:
        return Verdict(step=Step.LOOK, code="waits-for-stream", sentence="Looking until the live stream is open again.")
    return Verdict(step=Step.LOOK, code="looking", sentence="Looking again in a few seconds.")


def _ask(code: str, sentence: str) -> Verdict:
    return Verdict(step=Step.ASK, code=code, sentence=sentence)
