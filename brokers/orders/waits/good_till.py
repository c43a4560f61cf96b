"""Orders good till a date, which IBKR's Web API does not carry: IBKR has them until canceled, and Halyard cancels them then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers.domain.doubts.limits import MOST_REFUSALS
from brokers.domain.orders import CHANGED_IN_PLACE
from brokers.models import Order, SubmissionAttempt
from brokers.orders.waits import markets

PASSED = "good-till-date-passed"
# A look that is later than that is worth a word: a worker looks each second.
IN_TIME = timedelta(minutes=1)
_WORKING = sorted(map(str, CHANGED_IN_PLACE))


def before_its_end(order: Order, until: datetime) -> datetime:
    """`until`, or the order's own end where that comes first: it never leaves after its end."""
    return until if order.good_till is None else min(until, order.good_till)


def over(now: datetime) -> QuerySet[Order]:
    """Orders that work at IBKR past the end that they were given, and whose cancel may be asked for.

    IBKR may refuse it once, as in the auction at the close: it is asked for again when the order's market opens next, and no
    more after MOST_REFUSALS.
    """
    refused = SubmissionAttempt.refused_past_the_end().filter(order=OuterRef("pk")).order_by("pk")
    due = Order.objects.filter(status__in=_WORKING, good_till__lte=now).exclude(broker_order_id="")
    last = refused[MOST_REFUSALS - 1 : MOST_REFUSALS]
    return due.filter(Q(cancel_again_at=None) | Q(cancel_again_at__lte=now)).exclude(Exists(last))


def asks_again_at(order: Order, now: datetime) -> datetime | None:
    """When the cancel is asked for again that IBKR has just refused; None of an order whose end has not come."""
    if order.good_till is None or order.good_till > now:
        return None
    return markets.opens_next(order, now)


def why_canceled(good_till: datetime, now: datetime) -> str:
    """What the order's page says of its end: a sentence, which says so where Halyard comes late to it."""
    at, late = f"{good_till.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", now - good_till
    if late < IN_TIME:
        return f"Canceled by Halyard at its time: it was good till {at}."
    return (
        f"Canceled by Halyard {_lasting(late)} after its time: it was good till {at}, and Halyard did not run then or did not"
        " know it as working."
    )


def why_not_sent(good_till: datetime) -> str:
    """What is said of an order that had its end before it could leave."""
    return f"Not sent: it was good till {good_till.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, and could not leave before."


def _lasting(span: timedelta) -> str:
    """ "2 days 3 hours", "1 hour 5 minutes", "7 minutes"."""
    minutes = int(span.total_seconds()) // 60
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    shown = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(shown[:2])
