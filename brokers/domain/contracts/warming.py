"""When chains of options are asked ahead: before the market opens, and again once it has. Pure."""

from __future__ import annotations

from datetime import datetime, time

from brokers.domain.contracts.options import NEW_YORK

# In New York. Series are listed overnight, so that what is said from nine on is of the day; once shares trade, their first
# price says where the money is.
WINDOWS = ((time(9), time(9, 29)), (time(9, 31), time(10, 30)))


def due_since(now: datetime, close: datetime | None) -> datetime | None:
    """The moment since which a chain is to have been asked ahead; None where it is not the time for it. `close`: that of today's
    session, None on a day without one."""
    local = now.astimezone(NEW_YORK)
    if close is None:
        return None
    begins = next((begin for begin, end in WINDOWS if begin <= local.time() < end), None)
    return None if begins is None else datetime.combine(local.date(), begins, NEW_YORK)


def is_of_today(said_at: datetime, now: datetime) -> bool:
    """Whether what was said then counts as said today: overnight series are listed and end."""
    return said_at.astimezone(NEW_YORK).date() == now.astimezone(NEW_YORK).date()
