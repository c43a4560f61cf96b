"""Exchange rates by IBKR's word. A row is also the question: lanes answer what is wanted, and decisions never ask."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction

from brokers.domain.session import clocks
from brokers.models import ExchangeRate
from brokers.postgres.afterwards import after_commit
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A rate is asked anew long before it is too old to be used, so that nobody waits for the second one.
FRESH_FOR = timedelta(minutes=10)
ASKED_AGAIN_AFTER = timedelta(minutes=5)
# What IBKR had no rate for is not asked about by every signal.
UNKNOWN_FOR = timedelta(minutes=1)

# A connection, and the currencies from which and into which.
Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit of a currency is in another where that is known, and which rates are on their way."""

    known: dict[Key, Decimal] = field(default_factory=dict)
    coming: frozenset[Key] = frozenset()


def load(pairs: Collection[Key], now: datetime, *, ask: bool) -> Rates:
    """The rates of these currencies, and with `ask` the question for those that are missing or soon too old."""
    if not pairs:
        return Rates()
    rows = {
        (row.connection_id, row.source, row.target): row
        for row in ExchangeRate.objects.filter(connection__in={pk for pk, _, _ in pairs})
    }
    known = {key: row.rate for key, row in rows.items() if row.rate is not None and _is_fresh(row, now)}
    due = {key for key in pairs if key not in rows or _is_due(rows[key], now)}
    if ask and due:
        _ask(due, rows, now)
    coming = {
        key for key in pairs if key not in known and (key in due or key not in rows or rows[key].wanted_at is not None)
    }
    return Rates(known=known, coming=frozenset(coming))


def _is_fresh(row: ExchangeRate, now: datetime) -> bool:
    return clocks.is_recent(row.as_of, now, FRESH_FOR)


def _is_due(row: ExchangeRate, now: datetime) -> bool:
    if row.wanted_at is not None:
        return False
    return not clocks.is_recent(row.as_of, now, UNKNOWN_FOR if row.rate is None else ASKED_AGAIN_AFTER)


def _ask(due: set[Key], rows: dict[Key, ExchangeRate], now: datetime) -> None:
    """Ask once what is open has committed, as of contracts: the accounts of a connection share its rates with its lane."""
    after_commit(partial(_write, due, rows, now))


def _write(due: set[Key], rows: dict[Key, ExchangeRate], now: datetime) -> None:
    known = sorted(rows[key].pk for key in due if key in rows)
    ExchangeRate.objects.filter(pk__in=known, wanted_at__isnull=True).update(wanted_at=now)
    ExchangeRate.objects.bulk_create(
        (
            ExchangeRate(connection_id=pk, source=source, target=target, wanted_at=now)
            for pk, source, target in sorted(due - rows.keys())
        ),
        ignore_conflicts=True,
    )
    notify(ORDERS_CHANNEL, keys(pk for pk, _, _ in due))


def wanted_of(connection_pk: int) -> list[ExchangeRate]:
    """The rates a lane has to ask for."""
    return list(ExchangeRate.objects.filter(connection=connection_pk, wanted_at__isnull=False).order_by("wanted_at"))


@transaction.atomic
def answer(row: ExchangeRate, rate: Decimal | None, now: datetime) -> None:
    """Write IBKR's answer down and wake the decisions. None: it had none to give; an earlier rate stays, and ages."""
    values: dict[str, object] = {"wanted_at": None}
    if rate is not None:
        values |= {"rate": rate.quantize(Decimal("1e-10")), "as_of": now}
    elif row.rate is None or not _is_fresh(row, now):
        values |= {"rate": None, "as_of": now}
    ExchangeRate.objects.filter(pk=row.pk).update(**values)
    notify(DECISIONS_CHANNEL, str(row.connection_id))
