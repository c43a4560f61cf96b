"""Rows of prompts: the stream or an answer brings them, and the lane claims one before it answers, so once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.turns import in_turn
from brokers import live
from brokers.domain.brokerage import Prompt
from brokers.domain.orders import MAY_FILL
from brokers.models import Connection, Order, OrderPrompt
from brokers.orders import execution
from brokers.postgres.notices import ORDERS_CHANNEL, notify

log = logging.getLogger(__name__)

_MAY_FILL = [str(status) for status in MAY_FILL]
# What could not be answered for so long is left to a person.
WITHIN = timedelta(minutes=2)
# Of one connection, not yet told whose: more than that no honest gateway asks at once.
MOST_OPEN = 50
# About one order; what comes beyond is a quarrel, and left to a person.
MOST_OF_AN_ORDER = 5
# Those about orders that are none of ours are forgotten.
KEPT_FOR = timedelta(days=1)


@transaction.atomic
def heard(connection: Connection, prompts: Sequence[Prompt], now: datetime) -> None:
    """Write down prompts that came by the stream, and wake the lane. One that is known already says nothing new."""
    rows = OrderPrompt.objects.filter(connection=connection, verdict="")
    rows.filter(seen_at__lt=now - KEPT_FOR).delete()
    room = max(0, MOST_OPEN - rows.count())
    if len(prompts) > room:
        log.warning("Connection %s: IBKR sent more prompts than are looked at", connection.pk)
    for prompt in prompts[:room]:
        _row(connection, prompt, OrderPrompt.By.STREAM, now)
    notify(ORDERS_CHANNEL, str(connection.pk))


def due(now: datetime) -> QuerySet[OrderPrompt]:
    """Prompts about orders of ours that nobody has answered yet. Those about others' orders are not ours to answer."""
    rows = OrderPrompt.objects.filter(verdict="", seen_at__gt=now - WITHIN, connection__enabled=True)
    return rows.exclude(broker_order_id="").filter(Exists(_ours()))


def _ours() -> QuerySet[Order]:
    """The orders that a prompt's row is about, as a condition on it."""
    # By account: no index finds a number of IBKR's among all orders of a connection.
    return Order.objects.filter(account__connection=OuterRef("connection"), broker_order_id=OuterRef("broker_order_id"))


def next_due(connection_pk: int, now: datetime) -> tuple[OrderPrompt, Order] | None:
    """The prompt that waits longest, with the order that it is about."""
    prompt = due(now).filter(connection=connection_pk).order_by("pk").first()
    if prompt is None:
        return None
    return prompt, order_of(prompt)


def order_of(prompt: OrderPrompt) -> Order:
    """The order of ours that a prompt of `due` or `leave_late` is about."""
    orders = Order.objects.filter(account__connection=prompt.connection_id, broker_order_id=prompt.broker_order_id)
    return orders.select_related("account").latest("pk")


@transaction.atomic
def claim(order: Order, prompt: Prompt, confirmed: bool, option: str | None, now: datetime) -> int | None:
    """Write down what is said to a prompt, before it leaves; returns the key of the attempt.

    None where nothing is to be said: somebody has answered it already, the options are not plain, or there were too many.
    """
    if not prompt.request_id or not prompt.broker_order_id.strip("0"):
        # It names nothing by which it could come a second time.
        return None if option is None else execution.begin_reply(order, prompt, confirmed, now, option=option)
    connection = Connection.objects.get(pk=order.connection_id)
    row = _row(connection, prompt, OrderPrompt.By.ANSWER, now)
    if row.verdict:
        return None
    row.order = order
    row.verdict = OrderPrompt.Verdict.LEFT
    if option is not None and order.prompts.exclude(attempt=None).count() < MOST_OF_AN_ORDER:
        row.verdict = OrderPrompt.Verdict.ANSWERED
        row.attempt_id = execution.begin_reply(order, prompt, confirmed, now, option=option)
    row.save()
    live.order_changed(order)
    return row.attempt_id


def leave_late(now: datetime) -> int:
    """Leave to a person what could not be answered in time, where it is about an order of ours that may still fill; how
    many. The answer to one that came hours ago may be about another state of the order."""
    late = OrderPrompt.objects.filter(verdict="", seen_at__lte=now - WITHIN, connection__enabled=True)
    ours = late.exclude(broker_order_id="").filter(Exists(_ours().filter(status__in=_MAY_FILL)))
    keys = in_turn(ours, MOST_OPEN, team="connection__team_id", order="seen_at")
    return sum(_leave(key, now) for key in keys)


@transaction.atomic
def _leave(key: int, now: datetime) -> bool:
    prompt = OrderPrompt.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=key, verdict="").first()
    if prompt is None:
        return False
    order = order_of(prompt)
    prompt.verdict, prompt.order = OrderPrompt.Verdict.LEFT, order
    prompt.save(update_fields=["verdict", "order"])
    live.order_changed(order)
    return True


def as_prompt(row: OrderPrompt) -> Prompt:
    """A row as IBKR sent it."""
    return Prompt(
        broker_order_id=row.broker_order_id,
        request_id=row.request_id,
        message_id=row.message_id,
        text=row.text,
        options=tuple(row.options),
    )


def _row(connection: Connection, prompt: Prompt, by: OrderPrompt.By, now: datetime) -> OrderPrompt:
    """The row of a prompt, locked; made where there is none."""
    values = {
        "message_id": prompt.message_id,
        "text": prompt.text[:1000],
        "options": list(prompt.options),
        "by": by,
        "seen_at": now,
    }
    names = {"broker_order_id": prompt.broker_order_id, "request_id": prompt.request_id}
    row, _ = OrderPrompt.objects.select_for_update().get_or_create(connection=connection, **names, defaults=values)
    return row
