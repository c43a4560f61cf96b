"""Whether the subscription trades now: its windows, and the exchange's session."""

from __future__ import annotations

from strategies.domain.decide.case import Case
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import Hours


def outside_windows(case: Case, leg: Leg) -> Rejection | None:
    """Windows hold entries back, and exits too unless the terms let them through."""
    terms = case.terms
    if not terms.windows or case.settings(leg).ignore_windows.value:
        return None
    if leg is Leg.EXIT and terms.exits_outside_windows:
        return None
    if any(window.holds(case.now) for window in terms.windows):
        return None
    what = "entries" if terms.exits_outside_windows else "signals"
    return Rejection(
        rule="D42",
        code="outside-trading-window",
        reason=f"{case.now:%H:%M} UTC is outside this subscription's trading windows, so it takes no {what} now.",
    )


def outside_session(case: Case) -> Rejection | None:
    """Entries that are to be made only while the exchange is open."""
    hours = case.terms.hours
    if hours is Hours.ANY or case.market_is_open(extended=hours is Hours.EXTENDED) is not False:
        return None
    return Rejection(
        rule="H02",
        code="outside-session",
        reason=f"The {hours} session of {case.ticker} is closed, and this subscription opens positions only in it.",
    )
