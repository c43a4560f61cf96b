"""Whether the subscription trades now: its windows, and the exchange's session."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from brokers.rulebook.gate import tif
from strategies.domain.decide.case import Case
from strategies.domain.message import good_till as ends
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


def good_till(case: Case, leg: Leg) -> datetime | Rejection:
    """When an order that is good till a date is canceled, or P08 where it cannot work until then."""
    settings = case.settings(leg)
    sent, days = settings.good_till.value, settings.good_till_days.value
    if sent is not None:
        at = meant(case, sent)
    elif days is not None:
        at = case.now + timedelta(days=days)
    else:
        reason = "An order good till a date needs it: send goodTillDate, or set the days in the terms."
        return Rejection(rule="P08", code="invalid-good-till-date", reason=reason)
    if isinstance(at, Rejection):
        return at
    problem = ends.problem(at, case.now)
    return at if problem is None else Rejection(rule="P08", code=problem.code, reason=problem.sentence)


def meant(case: Case, sent: str) -> datetime | Rejection:
    """The moment of a signal's word: of a day the close of the exchange on it, or on its next day of trading."""
    if sent.endswith("Z"):
        return datetime.fromisoformat(sent)
    calendar = case.calendar
    if calendar is not None and ends.is_day(sent):
        asset_class = str(case.snapshot.contract.instrument.asset_class)
        day = date.fromisoformat(sent)
        close = tif.expires_at(asset_class, "gtd", case.now, calendar, good_til_date=day)
        assert close is not None, "an order good till a date ends"
        return close
    hours = case.snapshot.hours
    zone = hours.zone if hours is not None and hours.zone else calendar.zone.key if calendar is not None else ""
    if zone:
        return ends.moment_of(sent, ZoneInfo(zone))
    reason = (
        f"IBKR has not said by which clock {case.ticker} trades, so {sent} may mean several moments. Send goodTillDate with "
        "an offset, such as 2026-12-04T15:30:00Z."
    )
    return Rejection(rule="P08", code="exchange-zone-unknown", reason=reason)
