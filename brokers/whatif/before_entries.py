"""Entries that leave only after IBKR's preview of them, as their terms say: asked, let go, or ended.

The order says that it waits (`Order.asks_first`), and its what-if is named by the order's own code. Only entries wait:
Postgres refuses any other order that does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime

from brokers import live
from brokers.domain.orders import Contract, OrderStatus
from brokers.domain.whatif.figures import OrderPreview, WhatIfStatus
from brokers.domain.whatif.verdict import Verdict, Why, unanswered, why_not
from brokers.models import Order, WhatIf
from brokers.orders.execution import leg_of
from brokers.orders.unsent import end_unsent
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.whatif.orders import described

_ASKED = str(WhatIfStatus.ASKED)
_CREATED = str(OrderStatus.CREATED)


@transaction.atomic
def begin(order: Order, now: datetime) -> WhatIf:
    """Write down that IBKR is about to be asked; where it was being asked already, that row."""
    asked = WhatIf.objects.filter(key=order.code, status=_ASKED).select_related("account").first()
    if asked is not None:
        return asked
    leg = leg_of(order, Contract(instrument=order.instrument, conid=order.conid))
    return WhatIf.objects.create(
        team_id=order.team_id,
        account=order.account,
        key=order.code,
        request=described(leg.intent),
        asked_at=now,
        by_policy=True,
    )


@transaction.atomic
def answer(order: Order, row: WhatIf, preview: OrderPreview, now: datetime) -> None:
    """Write down what IBKR said, and let the order go or end it by that."""
    WhatIf.objects.filter(pk=row.pk, status=_ASKED).update(
        status=str(WhatIfStatus.ANSWERED), answer=preview.to_json(), answered_at=now
    )
    why = why_not(preview, order.account.currency)
    if why is not None:
        _end(order, why, now)
    elif Order.objects.filter(pk=order.pk, status=_CREATED).update(asks_first=False):
        notify(ORDERS_CHANNEL, str(order.connection_id))
        live.order_changed(order)


@transaction.atomic
def no_answer(order: Order, row: WhatIf, reason: str, code: str, now: datetime) -> None:
    """Write down why there is no preview, and end the order: what was to be asked first does not leave unasked."""
    WhatIf.objects.filter(pk=row.pk, status=_ASKED).update(
        status=str(WhatIfStatus.UNANSWERED), reason=reason[:300], reason_code=code, answered_at=now
    )
    _end(order, Why(unanswered(reason), code), now)


def _end(order: Order, why: Why, now: datetime) -> None:
    fresh = Order.objects.select_related("ticket").filter(pk=order.pk, status=_CREATED).first()
    if fresh is not None and end_unsent(fresh, OrderStatus.DENIED, why.reason, now):
        Order.objects.filter(pk=order.pk).update(reason_code=why.code)


def of_order(order: Order) -> list[WhatIf]:
    """What IBKR was asked about the order before it left, the first one first."""
    return list(WhatIf.objects.filter(key=order.code).order_by("pk"))


_SHOWN = ("status", "asked_at", "answered_at", "answer", "reason", "reason_code")


def with_previews(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders, each with what IBKR was asked about it before it left, for `shown`: with no query of its own."""
    rows = WhatIf.objects.filter(key=OuterRef("code"), by_policy=True).order_by("pk")
    asked_first = ArraySubquery(rows.values(json=JSONObject(**{name: name for name in _SHOWN})))
    # By name, as the model declares the attribute itself.
    return orders.annotate(**{"asked_first": asked_first})


def shown(order: Order) -> list[dict[str, Any]]:
    """What IBKR was asked about the order before it left, with the verdict, the first question first."""
    return [_judged(row, order.account.currency) for row in order.asked_first]


def _judged(row: dict[str, Any], currency: str) -> dict[str, Any]:
    moments = {name: row[name] and parse_datetime(row[name]) for name in ("asked_at", "answered_at")}
    verdict, said = Verdict.ASKED, Why(row["reason"], row["reason_code"])
    if row["answer"] is not None:
        why = why_not(OrderPreview.from_json(row["answer"]), currency)
        verdict, said = (Verdict.GOES, said) if why is None else (Verdict.STAYS, why)
    elif row["status"] != _ASKED:
        verdict = Verdict.STAYS
    return {**row, **moments, "currency": currency, "verdict": verdict, "reason": said.reason, "reason_code": said.code}
