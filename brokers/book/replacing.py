"""An account's book replaced by what IBKR has shown, and those woken who wait for it: one statement for the whole of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from brokers.domain.brokerage import PositionFacts
from brokers.models import BrokerageAccount
from brokers.postgres.notices import DECISIONS_CHANNEL

# The account's row is locked before: nobody else writes its positions meanwhile.
_REPLACE = """
WITH shown AS (
  SELECT * FROM unnest(
    %s::bigint[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[]
  ) AS s (conid, ticker, asset_class, quantity, average_cost, market_price, unrealized_pnl, currency)
), gone AS (
  DELETE FROM brokers_position WHERE account_id = %s AND conid NOT IN (SELECT conid FROM shown)
), held AS (
  INSERT INTO brokers_position (
    team_id, account_id, as_of, conid, ticker, asset_class, quantity, average_cost, market_price, unrealized_pnl, currency
  )
  SELECT %s, %s, %s, shown.* FROM shown
  ON CONFLICT (account_id, conid) DO UPDATE SET
    as_of = EXCLUDED.as_of, ticker = EXCLUDED.ticker, asset_class = EXCLUDED.asset_class, quantity = EXCLUDED.quantity,
    average_cost = EXCLUDED.average_cost, market_price = EXCLUDED.market_price,
    unrealized_pnl = EXCLUDED.unrealized_pnl, currency = EXCLUDED.currency
), curve AS (
  INSERT INTO brokers_equitypoint (account_id, at, equity)
  SELECT p.* FROM (VALUES (%s::bigint, %s::timestamptz, %s::numeric)) AS p (account_id, at, equity) WHERE p.equity IS NOT NULL
  ON CONFLICT DO NOTHING
)
UPDATE brokers_brokerageaccount SET {columns} WHERE id = %s RETURNING pg_notify(%s, connection_id::text)
"""


def replace(
    account: BrokerageAccount,
    held: Collection[PositionFacts],
    classes: Mapping[int, str],
    values: Mapping[str, Any],
    equity: Decimal | None,
) -> None:
    """Write the positions `held`, what each of them is by `classes`, and these columns of the account.

    `equity`: the account's value, kept once a minute for its curve; None where the stream tells it.
    """
    as_of: datetime = values["book_as_of"]
    facts = list(held)
    shown: list[list[Any]] = [
        [fact.conid for fact in facts],
        [fact.ticker for fact in facts],
        [classes[fact.conid] for fact in facts],
        [fact.quantity for fact in facts],
        [fact.average_cost for fact in facts],
        [fact.market_price for fact in facts],
        [fact.unrealized_pnl for fact in facts],
        [fact.currency for fact in facts],
    ]
    fields = {field.name: field for field in BrokerageAccount._meta.concrete_fields}
    columns = ", ".join(f"{fields[name].column} = %s" for name in values)
    written = [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]
    point: list[Any] = [account.pk, as_of.replace(second=0, microsecond=0), equity]
    with connection.cursor() as cursor:
        cursor.execute(
            _REPLACE.format(columns=columns),
            [*shown, account.pk, account.team_id, account.pk, as_of, *point, *written, account.pk, DECISIONS_CHANNEL],
        )
