"""What the number and the name of a combo say, as PostgreSQL reads it out of them: its legs, and when the first of them ends.

Written into the statement, so that an index of it serves each of its plans.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, F, Func, TextField

from brokers.domain.contracts.combos import BITS, MOST
from brokers.domain.contracts.options import NEW_YORK

# After the last minute of any class of options on that day, and before the first of the next one.
_DAY_ENDS = timedelta(hours=17)


def legs(number: Any) -> tuple[Func, Func]:
    """IBKR's numbers of the long and of the short leg of a combo, of the column with its own number
    (`brokers.domain.contracts.combos.number_of`)."""
    whole = BigIntegerField()
    return (
        Func(number, template=f"((-%(expressions)s) >> {BITS})", output_field=whole),
        Func(number, template=f"((-%(expressions)s) & {MOST})", output_field=whole),
    )


def first_end(ticker: F) -> Func:
    """The day on which the first leg ends, as `day` writes it, of the column with a combo's name: that is of a vertical its
    day, and of a calendar the sooner one, which its name has last."""
    return Func(ticker, template="substring(%(expressions)s from '([0-9]{6})[CP]')", output_field=TextField())


def day(now: datetime) -> str:
    """The first day on which an option may still be traded, as its name has it: "261218", in New York's time."""
    local = now.astimezone(NEW_YORK).replace(tzinfo=None)
    return f"{local + timedelta(days=1) - _DAY_ENDS:%y%m%d}"
