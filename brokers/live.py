"""What the browser hears about orders, sessions and accounts: the pages' own partials, rendered from committed rows.

A push may hold several elements, each in a <template> of its own, since a table row and a list item cannot be parsed
side by side. `static/js/feed.js` places them by their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.template.loader import render_to_string
from django.utils.html import format_html

from accounts.feed.needs import needs_changed
from accounts.feed.pushes import push_on_commit
from brokers.domain.contracts.combos import legs_of
from brokers.domain.elsewhere.exposure import made_elsewhere
from brokers.domain.orders import WORKING, OrderStatus
from brokers.models import (
    BrokerageAccount,
    Closing,
    Connection,
    Execution,
    KeySet,
    Lapse,
    NetFill,
    Order,
    Position,
    WhatIf,
)
from brokers.postgres.written import written_once

_WRONG = {
    OrderStatus.REJECTED,
    OrderStatus.DENIED,
    OrderStatus.EXPIRED,
    OrderStatus.UNKNOWN,
    OrderStatus.NEEDS_ATTENTION,
}
Row = TypeVar("Row")
Positions = TypeVar("Positions", bound=Iterable[Position])


def order_changed(order: Order) -> None:
    """After commit, every open page of the team shows the order as it is now."""
    push_on_commit(order.team_id, f"order.{order.pk}", lambda: order_html(order.pk))
    needs_changed(order.team_id)


def session_changed(connection: Connection) -> None:
    """After commit, the badge of the connection shows its session as it is now."""
    push_on_commit(connection.team_id, f"session.{connection.pk}", lambda: session_html(connection.pk))
    needs_changed(connection.team_id)


# An account that trades is read five times a second, and its result is made of all fills of the day.
_ACCOUNT_PAUSE_SECONDS = 0.5


def account_changed(account: BrokerageAccount) -> None:
    """After commit, value, cash and positions of the account are shown as they are now; while they go on changing, every half
    a second."""
    push_on_commit(
        account.team_id, f"account.{account.pk}", lambda: account_html(account.pk), pause=_ACCOUNT_PAUSE_SECONDS
    )
    needs_changed(account.team_id)


def keys_changed(key_set: KeySet) -> None:
    """After commit, the page of keys in the making shows how far they are. It is fetched again: nothing of it is pushed."""
    push_on_commit(key_set.team_id, f"keys.{key_set.pk}", lambda: keys_html(key_set.pk))


def what_if_changed(what_if: WhatIf) -> None:
    """After commit, the page of its plan is fetched again: IBKR's preview of it is asked for, or there."""
    push_on_commit(what_if.team_id, f"what-if.{what_if.pk}", lambda: what_if_html(what_if.pk))


def order_html(order_pk: int) -> str:
    order = the_one(_shown_order(order_pk))
    # Asked for apart, and only once there can be one: most moves of an order come before its first fill.
    fees = _fees(order_pk) if order.filled_quantity else []
    order.fee = fees[0] if fees else None  # type: ignore[attr-defined]
    context = {"order": order, "team": order.team}
    html = several(context, "brokers/_order_row.html", "brokers/_order_chip.html")
    return html + several(context, "brokers/_order_trouble.html") if _changes_its_signal(order) else html


def _changes_its_signal(order: Order) -> bool:
    """Whether the order may change how its signal's row looks: something went wrong with it, or did once."""
    wrong = order.status in _WRONG or order.checked_at is not None or bool(order.held_reason)
    return wrong and getattr(order.ticket, "decision", None) is not None


def session_html(connection_pk: int) -> str:
    connection = the_one(_connection(connection_pk))
    context = {"connection": connection, "team": connection.team}
    return several(context, "brokers/_session_badge.html") + _ages(_working_of_connection(connection_pk))


def keys_html(key_set_pk: int) -> str:
    """The name of what has changed, and nothing of it."""
    code = KeySet.objects.values_list("code", flat=True).get(pk=key_set_pk)
    return format_html('<template><span id="keys-{}"></span></template>', code)


def what_if_html(what_if_pk: int) -> str:
    """The name of the plan that was asked about, and nothing of it."""
    key = WhatIf.objects.values_list("key", flat=True).get(pk=what_if_pk)
    return format_html('<template><span id="what-if-{}"></span></template>', key)


def account_html(account_pk: int) -> str:
    account = the_one(_account(account_pk))
    positions, closings = _positions(account_pk), _open_closings_of(account_pk)
    for position in positions:
        position.account = account
    account.held = positions
    context = {"account": account, "team": account.team, "positions": with_closings(positions, closings)}
    ages = _ages(_working_of_account(account_pk))
    parts = ("brokers/_account_card.html", "brokers/_buying_powers.html", "brokers/_positions.html")
    return several(context, *parts) + ages


# As many as a list shows.
_MOST_AGES = 50


def _ages(working: list[Order]) -> str:
    """As of when IBKR has confirmed these orders: a stream that lives changes no row."""
    return several({"working": working}, "brokers/_order_ages.html") if working else ""


def _working() -> QuerySet[Order]:
    return Order.objects.filter(status__in=[str(status) for status in WORKING]).select_related("account__connection")


@written_once
def _working_of_connection(connection_pk: int) -> QuerySet[Order]:
    return _working().filter(account__connection=connection_pk).order_by("-pk")[:_MOST_AGES]


@written_once
def _working_of_account(account_pk: int) -> QuerySet[Order]:
    return _working().filter(account=account_pk).order_by("-pk")[:_MOST_AGES]


@written_once
def _shown_order(order_pk: int) -> QuerySet[Order]:
    return _joined_orders().filter(pk=order_pk)


@written_once
def _fees(order_pk: int) -> QuerySet[Execution, Any]:
    """The sum of an order's fees, once there is a fill."""
    fills = Execution.objects.filter(order=order_pk).order_by().values("order")
    return fills.annotate(sum=Sum("fee")).values_list("sum", flat=True)


@written_once
def _connection(connection_pk: int) -> QuerySet[Connection]:
    return Connection.objects.select_related("team").filter(pk=connection_pk)


@written_once
def _account(account_pk: int) -> QuerySet[BrokerageAccount]:
    return BrokerageAccount.objects.select_related("team", "connection").filter(pk=account_pk)


@written_once
def _positions(account_pk: int) -> QuerySet[Position]:
    return Position.objects.filter(account=account_pk).order_by("ticker")


@written_once
def _open_closings_of(account_pk: int) -> QuerySet[Closing]:
    return open_closings().filter(account=account_pk)


@written_once
def _open_lapses(account_pks: Collection[int]) -> QuerySet[Lapse]:
    return Lapse.objects.filter(account__in=account_pks, ended_at=None)


@written_once
def _net_fills(account_pks: Collection[int], conids: Collection[int]) -> QuerySet[NetFill, Any]:
    net = NetFill.objects.filter(account__in=account_pks, conid__in=conids).order_by()
    return net.values("account_id", "conid").annotate(total=Sum("quantity"))


def open_closings() -> QuerySet[Closing]:
    """Positions that are being closed."""
    return Closing.objects.filter(status=Closing.Status.OPEN).order_by("pk")


def with_closings(positions: Positions, closings: Sequence[Closing]) -> Positions:
    """The positions, each with the open wish to close it as `closing` and the stop it lacks as `lapse`; None where there is none."""
    # A combo is no position of its own: its closing is that of its legs.
    by_key = {
        (closing.account_id, conid): closing
        for closing in closings
        for conid in legs_of(closing.conid) or [closing.conid]
    }
    accounts = {position.account_id for position in positions}
    lapses = {(lapse.account_id, lapse.conid): lapse for lapse in _open_lapses(sorted(accounts))}
    for position in positions:
        position.closing = by_key.get((position.account_id, position.conid))
        position.lapse = lapses.get((position.account_id, position.conid))
    return with_shares_of_others(positions)


def with_shares_of_others(positions: Positions) -> Positions:
    """The positions, each with how much of it no order of ours explains as `elsewhere`."""
    rows = list(positions)
    ours: dict[tuple[int, int], Decimal] = {}
    if rows:
        for each in _net_fills(sorted({row.account_id for row in rows}), sorted({row.conid for row in rows})):
            ours[each["account_id"], each["conid"]] = each["total"]
    for row in rows:
        row.elsewhere = made_elsewhere(row.quantity, ours.get((row.account_id, row.conid), Decimal(0)))
    return positions


def the_one(rows: list[Row]) -> Row:
    """The row that was asked for by its key. Raises ObjectDoesNotExist where it is gone: its push is left out."""
    if not rows:
        raise ObjectDoesNotExist("The row that was to be shown is gone.")
    return rows[0]


def several(context: dict[str, Any], *partials: str) -> str:
    """More than one partial in one push."""
    return "".join(f"<template>{render_to_string(partial, context)}</template>" for partial in partials)


def order_rows() -> QuerySet[Order]:
    """Orders with everything their rows show, the sum of their fees among it."""
    fees = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("fee"))
    return _joined_orders().annotate(fee=Subquery(fees.values("sum")))


# A row shows little of what is joined to it, and a decision holds everything it saw: half the time of a push was columns.
_SHOWN = (
    *(field.name for field in Order._meta.concrete_fields),
    "team__code",
    "account__code",
    "account__account_id",
    "account__currency",
    "account__book_as_of",
    "account__book_read_at",
    "account__connection__environment",
    "account__connection__stream_since",
    "account__connection__stream_heard_at",
    "ticket__key",
    "ticket__adopted_at",
    "ticket__decision__code",
    "ticket__decision__answered_at",
    "ticket__decision__expires_at",
    "ticket__decision__signal__code",
    "ticket__decision__signal__received_at",
    "ticket__decision__signal__not_before",
    "ticket__decision__signal__strategy__name",
)


def _joined_orders() -> QuerySet[Order]:
    # The way up to the signal is taken by name: what an order was for is shown beside it, and decided upstairs.
    joined = Order.objects.select_related("team", "account__connection", "ticket__decision__signal__strategy")
    return joined.only(*_SHOWN)
