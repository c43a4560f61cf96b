"""Time in force: when an order expires, as one instant, computed once when it is accepted."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from brokers.rulebook import rulesets
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.errors import BadInput, UnsupportedTimeInForce
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.words import NEW_YORK_DAY_CLASSES, ON_CLOSE, ON_OPEN, TimeInForce

NEW_YORK = ZoneInfo("America/New_York")
CURRENCY_DAY_ENDS = time(17)


def expires_at(
    asset_class: str,
    time_in_force: str,
    ordered_at: datetime,
    calendar: Calendar,
    *,
    good_til_date: date | None = None,
    rules: Ruleset | None = None,
) -> datetime | None:
    """The instant from which the order is expired, in UTC; None for good-til-canceled.

    Currencies and CFDs end at 17:00 New York, other classes at the last regular close. UnsupportedTimeInForce for another
    word, BadInput for a good-til-date order without its date, NoTradingDay where the calendar has none.
    """
    if time_in_force == TimeInForce.GTC:
        return None
    if time_in_force == TimeInForce.DAY:
        return _end_of_day(asset_class, ordered_at, calendar)
    if time_in_force != TimeInForce.GTD:
        raise UnsupportedTimeInForce(time_in_force)
    if good_til_date is None:
        raise BadInput("good_til_date", problem="a good-til-date order needs its date")
    if asset_class in NEW_YORK_DAY_CLASSES:
        return _currency_date_end(good_til_date, ordered_at, rules or rulesets.load())
    return calendar.close_on_or_after(good_til_date)


def effective_time_in_force(order_type: str, time_in_force: str) -> str:
    """Auction orders cannot carry a date: the auction itself ends them."""
    if order_type in ON_OPEN | ON_CLOSE and time_in_force == TimeInForce.GTD:
        return TimeInForce.GTC
    return time_in_force


def _end_of_day(asset_class: str, ordered_at: datetime, calendar: Calendar) -> datetime:
    if asset_class not in NEW_YORK_DAY_CLASSES:
        return calendar.close_after(ordered_at)
    local = ordered_at.astimezone(NEW_YORK)
    # Exactly 17:00 does not roll: such an order is expired at once.
    return _five_o_clock(local.date(), rolled=local.time() > CURRENCY_DAY_ENDS)


def _currency_date_end(day: date, ordered_at: datetime, rules: Ruleset) -> datetime:
    local = ordered_at.astimezone(NEW_YORK)
    by_utc = rules.policy.forex_gtd_roll_compares == "utc"
    ordered_on = ordered_at.astimezone(UTC).date() if by_utc else local.date()
    return _five_o_clock(day, rolled=ordered_on == day and local.time() > CURRENCY_DAY_ENDS)


def _five_o_clock(day: date, *, rolled: bool) -> datetime:
    if rolled:
        day += timedelta(days=1)
    return datetime.combine(day, CURRENCY_DAY_ENDS, NEW_YORK).astimezone(UTC)
