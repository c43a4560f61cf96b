"""Reads until when an order works that is good till a date."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from brokers.domain.orders import FOR_AUCTIONS, OrderType, TimeInForce
from strategies.domain.message import good_till
from strategies.domain.message.message import moment
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields

LONGEST = 40
_RELATIVE = re.compile(r"\+ ?(\d{1,4}) ?(minute|hour|day|week)s?", re.IGNORECASE | re.ASCII)
# Seconds since 1970, which are no day in ISO 8601.
_SECONDS = re.compile(r"\d{10,19}", re.ASCII)
_CENTURY = "20"


def read(name: str, value: object, now: datetime) -> str:
    """The end as a reading has it: a moment in UTC ("...Z"), a moment without a zone, or a day; or Refused."""
    fields.refuse_placeholder(name, value)
    text = _text(value, now)
    if text is None:
        raise invalid(
            "invalid-good-till-date",
            f"{name} is {fields.shown(value)}. Send a day or a moment such as 2026-12-04, 2026-12-04T15:30:00Z or +3 days.",
            field=name,
        )
    if (problem := good_till.problem_anywhere(text, now)) is not None:
        raise invalid(problem.code, problem.sentence, field=name)
    return text


def _text(value: object, now: datetime) -> str | None:
    text = value.strip() if isinstance(value, str) and len(value) <= LONGEST else ""
    if match := _RELATIVE.fullmatch(text):
        return moment(now + timedelta(**{f"{match[2].lower()}s": int(match[1])}))
    if text and (local := _without_a_zone(text)) is not None:
        return local if local[:2] == _CENTURY else None
    at = fields.moment(value)
    return None if at is None else moment(at)


def _without_a_zone(text: str) -> str | None:
    """A day or a moment that names no zone, as ISO 8601 says it; None for any other text."""
    if _SECONDS.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.isoformat() if at.tzinfo is None else None


def time_in_force(tif: str | None, end: str | None, order_type: str | None) -> str | None:
    """The time in force that goes with the end of the same message, which says it by itself; raises Refused."""
    gtd = str(TimeInForce.GTD)
    if end is None:
        if tif == gtd:
            problem = "timeInForce gtd needs goodTillDate: the day or the moment until which the order works. Add it."
            raise invalid("invalid-good-till-date", problem, field="goodTillDate")
        return tif
    if tif not in {None, gtd}:
        raise _does_not_go_with(f"timeInForce {tif}", "Send gtd, or leave goodTillDate out.")
    if order_type in FOR_AUCTIONS:
        raise _does_not_go_with(f"orderType {order_type}", "The auction ends the order: leave goodTillDate out.")
    if order_type == OrderType.MARKET:
        raise _does_not_go_with("orderType market", "It fills at once: leave goodTillDate out, or send a limit order.")
    return gtd


def _does_not_go_with(what: str, advice: str) -> Refused:
    return invalid("invalid-good-till-date", f"goodTillDate does not go with {what}. {advice}", field="goodTillDate")
