"""Submission windows of auction orders, in exchange local time."""

from datetime import datetime, timedelta
from decimal import Decimal

from brokers.rulebook.answers import Denied
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.words import FUTURE_CLASSES, OrderType


def effective_order_type(asset_class: str, order_type: str, now: datetime, calendar: Calendar) -> str:
    """A market order while the regular session is closed waits for the open; futures trade on."""
    if order_type != OrderType.MARKET or asset_class in FUTURE_CLASSES or calendar.is_open(now):
        return order_type
    return OrderType.MARKET_ON_OPEN


def opening_window_denied(now: datetime, calendar: Calendar, rules: Ruleset) -> Denied | None:
    """From the regular close to shortly before the open, across midnight; any time on a day without a session."""
    local = calendar.local(now)
    opens, closes = calendar.open_second(local.date()), calendar.close_second(local.date())
    if opens is None or closes is None:
        return None
    second = local.hour * 3600 + local.minute * 60 + local.second + Decimal(local.microsecond) / 1_000_000
    until = opens - rules.policy.market_on_open_lead_seconds
    if second >= closes or second < until:
        return None
    return rules.deny("market_on_open_outside_submission_window", from_time=_clock(closes), until_time=_clock(until))


def closing_deadline_denied(now: datetime, calendar: Calendar, rules: Ruleset) -> Denied | None:
    """The order must arrive a while before the next regular close."""
    deadline = calendar.close_after(now) - timedelta(seconds=rules.policy.market_on_close_lead_seconds)
    if now <= deadline:
        return None
    return rules.deny("market_on_close_too_late", deadline=f"{calendar.local(deadline):%H:%M:%S} exchange time")


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"
