"""What the browser hears about orders, sessions and accounts: the pages' own partials, rendered from committed rows."""

from __future__ import annotations

from django.template.loader import render_to_string

from accounts.live import push_on_commit
from brokers.models import BrokerageAccount, Connection, Order


def order_changed(order: Order) -> None:
    """After commit, every open page of the team shows the order as it is now."""
    push_on_commit(order.team_id, f"order.{order.pk}", lambda: order_html(order.pk))


def session_changed(connection: Connection) -> None:
    """After commit, the badge of the connection shows its session as it is now."""
    push_on_commit(connection.team_id, f"session.{connection.pk}", lambda: session_html(connection.pk))


def account_changed(account: BrokerageAccount) -> None:
    """After commit, value, cash and positions of the account are shown as they are now."""
    push_on_commit(account.team_id, f"account.{account.pk}", lambda: account_html(account.pk))


def order_html(order_pk: int) -> str:
    order = Order.objects.select_related("team", "account").get(pk=order_pk)
    return render_to_string("brokers/_order_row.html", {"order": order, "team": order.team})


def session_html(connection_pk: int) -> str:
    connection = Connection.objects.select_related("team").get(pk=connection_pk)
    return render_to_string("brokers/_session_badge.html", {"connection": connection, "team": connection.team})


def account_html(account_pk: int) -> str:
    account = BrokerageAccount.objects.select_related("team", "connection").get(pk=account_pk)
    positions = account.positions.order_by("ticker")
    context = {"account": account, "team": account.team, "positions": positions}
    return render_to_string("brokers/_account_card.html", context)
