"""Whether anything follows from what news has moved, asked at once: most of what is moved is waited for by nobody."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from brokers.models import Order
from brokers.orders.statements import ASKS_FIRST, IN_LINE

# Constants stand in it, as the partial indexes of what waits and of stops have them: no plan of it reads what waits.
_FOLLOWS = f"""
SELECT
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = ANY(%s) AND {IN_LINE.format(order="o")})
  OR EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = ANY(%s) AND {ASKS_FIRST.format(order="o")}),
  EXISTS (
    SELECT FROM brokers_order WHERE account_id = ANY(%s) AND conid = ANY(%s) AND role = 'stop_loss'
      AND NOT status IN ('filled', 'canceled', 'expired', 'rejected', 'denied')
  )
  OR EXISTS (SELECT FROM brokers_order WHERE ticket_id = ANY(%s) AND role = 'stop_loss')
  OR EXISTS (SELECT FROM brokers_lapse WHERE account_id = ANY(%s) AND conid = ANY(%s) AND ended_at IS NULL)
"""  # noqa: S608


def look(moved: Collection[Order], filled: Collection[tuple[int, int]]) -> tuple[bool, bool]:
    """Whether the connections of these orders have an order that was not sent, which may wait for one of them; and whether
    anything here may have a stop that works, or lack one: any of these instruments (an account's key and a contract each) or
    tickets.
    """
    accounts = sorted({order.account_id for order in moved} | {account for account, _ in filled})
    conids = sorted({order.conid for order in moved} | {conid for _, conid in filled})
    connections, tickets = sorted({each.connection_id for each in moved}), sorted({each.ticket_id for each in moved})
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWS, [connections, connections, accounts, conids, tickets, accounts, conids])
        waits, stopped = cursor.fetchone()
    return waits, stopped
