"""The answers to orders of many connections that came at the same moment, written down in one statement."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from brokers import live
from brokers.orders.execution import Answer, Job, usual_values
from brokers.orders.statements import ACKNOWLEDGE_EACH
from brokers.orders.together.taking import LOCK_MS
from brokers.postgres.away import AWAY

log = logging.getLogger(__name__)

# What PostgreSQL keeps in no JSON, or only in pairs: such an answer is written by itself, so that it keeps back no other.
_UNFIT = ("\\u0000", "\\ud")


@dataclass(frozen=True, slots=True)
class Came:
    """What came back for an order, and when."""

    job: Job
    answer: Answer
    at: datetime


def acknowledge_each(answers: Sequence[Came]) -> list[bool | None]:
    """Write down the usual ones of these answers of different connections: all that it can, or none. As `execution.finish`
    of each, it says whether more of the connection waits to leave.

    None for an answer that is to be written down by itself: it or its order is not as it usually is, somebody holds the
    order, or the answers could not be written down together.
    """
    usual = {each.job.orders[0].pk: values for each in answers if (values := _usual(each)) is not None}
    try:
        more = _written(usual) if usual else {}
    except Exception as error:
        if isinstance(error, AWAY) and getattr(error.__cause__, "sqlstate", None) is None:
            # Postgres did not say it: nobody knows what was written, and each lane looks again in a second.
            raise
        log.warning("The answers to %d orders could not be written down together: %s", len(usual), error)
        return [None for _ in answers]
    for each in answers:
        if each.job.orders[0].pk in more:
            live.order_changed(each.job.orders[0])
    return [more.get(each.job.orders[0].pk) for each in answers]


def _usual(came: Came) -> dict[str, Any] | None:
    values = usual_values(came.job, came.answer, came.at)
    return None if values is None or any(unfit in values["answer"] for unfit in _UNFIT) else values


def _written(usual: Mapping[int, dict[str, Any]]) -> dict[int, bool]:
    """By the keys of the orders whose answers were written: whether more of their connection waits to leave."""
    rows = [{**usual[key], "answer": msgspec.Raw(usual[key]["answer"].encode())} for key in sorted(usual)]
    values = {"answers": msgspec.json.encode(rows).decode(), "patience": str(LOCK_MS)}
    with connection.cursor() as cursor:
        cursor.execute(ACKNOWLEDGE_EACH, values)
        return {order: bool(more) for order, more in cursor.fetchall()}
