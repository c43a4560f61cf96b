"""The statements that every order waits for, written as SQL: what may leave, and the answer that it was taken."""

from __future__ import annotations

from collections import defaultdict

from brokers.domain import questions
from brokers.domain.orders import Rounds

WAYS_OUT = [str(role) for role in questions.WAYS_OUT]
# Of the connections whose lanes this process works; whose turn it is, and nothing that must be true.
ROUNDS: dict[int, Rounds] = defaultdict(Rounds)

# Whether an order is held by what its ticket cancels or shrinks: that must be over, or smaller, first, and have filled no
# more than its plan knew. A plan made for ten shares does not leave when there are five.
HELD = """(EXISTS (
  SELECT FROM brokers_ticket t, jsonb_to_recordset(t.cancels) AS c (reference text, filled numeric)
  JOIN brokers_order r ON r.reference = c.reference
  WHERE t.id = {order}.ticket_id
  AND (r.status NOT IN ('filled', 'canceled', 'expired', 'rejected', 'denied') OR r.filled_quantity > c.filled)
) OR EXISTS (
  SELECT FROM brokers_ticket t, jsonb_to_recordset(t.resizes) AS s (reference text, quantity numeric, filled numeric)
  JOIN brokers_order r ON r.reference = s.reference
  WHERE t.id = {order}.ticket_id
  AND (r.filled_quantity > s.filled
       OR r.quantity > s.quantity AND r.status NOT IN ('filled', 'canceled', 'expired', 'rejected', 'denied'))
))"""

# A live connection's orders leave only while a consent to real money stands; Postgres refuses every other way, too.
CONSENTED = """EXISTS (
  SELECT FROM brokers_connection c WHERE c.id = {order}.connection_id AND (c.environment <> 'live' OR c.live_account <> '')
)"""

# What IBKR holds as something else than Halyard trades is never traded under its number.
IS_TRADED = """NOT EXISTS (
  SELECT FROM brokers_position p WHERE p.account_id = {order}.account_id AND p.conid = {order}.conid
  AND p.asset_class NOT IN ('stock', 'future', 'forex')
)"""

# Written as SQL, since every order waits for it: one statement finds what may leave, moves it and tells its history.
# An instrument is held back while it is not known what became of an earlier order in it; and a connection while IBKR
# restarts, its ways out a little later than the rest where the operator says so.
_MAY_LEAVE = f"""o.status = 'created' AND o.expires_at > %(now)s AND NOT o.asks_first
    AND NOT {HELD.format(order="o")} AND {CONSENTED.format(order="o")}
    AND {IS_TRADED.format(order="o")}
    AND (o.release = 'at_once' OR o.release = 'after_parent_fills'
         AND EXISTS (SELECT FROM brokers_order p WHERE p.id = o.parent_id AND p.status = 'filled'))
    AND NOT EXISTS (SELECT FROM brokers_order u WHERE u.account_id = o.account_id AND u.conid = o.conid
                    AND u.status IN ('unknown', 'needs_attention'))
    AND NOT EXISTS (SELECT FROM brokers_connection c WHERE c.id = o.connection_id AND c.environment <> 'simulated'
                    AND coalesce(nullif(c.region_seen, ''), c.region) = ANY(
                      CASE WHEN o.role = ANY(%(ways_out)s::text[]) THEN %(shut)s::text[] ELSE %(closed)s::text[] END))"""  # noqa: S608
# Exits first, then stops and targets that leave by themselves; then contract by contract in turn, the one that never had
# an order leave before those that had.
_FIRST = """ORDER BY coalesce(array_position(%(ways_out)s::text[], o.role::text), 9),
    coalesce(array_position({left}, o.account_id || ':' || o.conid), 0),
    o.ticket_id, o.id LIMIT 1 FOR UPDATE SKIP LOCKED"""
_LEAVING = """leaving AS (
  SELECT id FROM next
  UNION ALL
  SELECT o.id FROM brokers_order o JOIN next ON o.parent_id = next.id
  WHERE o.release IN ('with_parent', 'in_group') AND o.status = 'created'
), moved AS (
  UPDATE brokers_order o SET status = 'submitted', submitted_at = %(now)s, changed_at = %(now)s,
    -- What it waited for is over.
    reason = '', reason_code = ''
  FROM leaving WHERE o.id = leaving.id AND o.status = 'created' RETURNING o.*
), recorded AS (
  INSERT INTO brokers_orderevent (order_id, old, new, cause, at)
  SELECT id, 'created', 'submitted', 'sent to IBKR', %(now)s FROM moved
)
SELECT moved.*, a.account_id AS account_number,
  coalesce(l.name, '') AS contract_name, coalesce(l.exchange, '') AS contract_exchange,
  coalesce(l.tick, 0.01) AS contract_tick
FROM moved
JOIN brokers_brokerageaccount a ON a.id = moved.account_id
LEFT JOIN brokers_contractlookup l
  ON l.connection_id = moved.connection_id AND l.asset_class = moved.asset_class AND l.ticker = moved.ticker
ORDER BY moved.id
"""
TAKE_NEXT = f"""
WITH next AS (
  SELECT o.id FROM brokers_order o
  WHERE o.connection_id = %(connection)s AND {_MAY_LEAVE}
  {_FIRST.format(left="%(left)s::text[]")}
), {_LEAVING}"""  # noqa: S608
# Whether it would find one. What somebody holds at this moment counts as well.
HAS_NEXT = f"SELECT EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = %(connection)s AND {_MAY_LEAVE})"  # noqa: S608
# The same as TAKE_NEXT for many connections, each with the places that it served last, as one text.
TAKE_OF_EACH = f"""
WITH asked AS MATERIALIZED (
  SELECT connection, string_to_array(places, ',') AS places
  FROM unnest(%(connections)s::bigint[], %(left)s::text[]) AS each (connection, places)
), next AS MATERIALIZED (
  SELECT first.id FROM asked CROSS JOIN LATERAL (
    SELECT o.id FROM brokers_order o
    WHERE o.connection_id = asked.connection AND {_MAY_LEAVE}
    {_FIRST.format(left="asked.places")}
  ) AS first
), {_LEAVING}"""  # noqa: S608

# The same for the one order of a ticket that is being opened, by whoever opens it, while the connection's lane waits for it
# under its lock: only where that lane would find nothing else to do, as far as rows tell.
TAKE_OF_TICKET = f"""
WITH next AS (
  SELECT o.id FROM brokers_order o JOIN brokers_connection c ON c.id = o.connection_id
  WHERE o.ticket_id = %(ticket)s AND o.release = 'at_once' AND {_MAY_LEAVE}
    AND c.enabled AND c.session_status = 'active' AND c.last_kept_at IS NOT NULL
    AND (c.suppression_wanted_at IS NULL OR c.suppression_wanted_at > %(now)s)
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id AND w.status = 'created' AND w.id <> o.id
                    AND (w.ticket_id <> o.ticket_id OR w.release = 'at_once'))
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id
                    AND w.status IN ('submitted', 'unknown', 'pending_cancel'))
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id
                    AND w.status IN ('accepted', 'partially_filled') AND w.convert_after IS NOT NULL AND w.type <> 'market')
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id AND w.resize_to IS NOT NULL
                    AND w.status IN ('accepted', 'partially_filled'))
    AND NOT EXISTS (SELECT FROM brokers_submissionattempt t JOIN brokers_order w ON w.id = t.order_id
                    WHERE w.connection_id = c.id AND t.outcome = '' AND t.kind IN ('post', 'reply', 'cancel'))
    AND NOT EXISTS (SELECT FROM brokers_foreignorder f JOIN brokers_brokerageaccount a ON a.id = f.account_id
                    WHERE a.connection_id = c.id AND f.cancel_asked_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM brokers_orderprompt p WHERE p.connection_id = c.id AND p.verdict = '')
), {_LEAVING}"""  # noqa: S608
# Whether a way out could leave now: an exit, a stop or a target that waits for nothing but its turn.
HAS_WAY_OUT = f"""
SELECT EXISTS (SELECT FROM brokers_order o
               WHERE o.connection_id = %(connection)s AND o.role = ANY(%(ways_out)s::text[]) AND {_MAY_LEAVE})
"""  # noqa: S608

# The same for the answer that nearly always comes back, also where the stream has told of the order meanwhile: then only
# what the answer alone brings is kept. Nothing is written where the row says that it is not so usual. It tells whether the
# connection has more that may have to leave.
ACKNOWLEDGE = """
WITH held AS MATERIALIZED (
  SELECT id, status, acknowledged_at FROM brokers_order
  WHERE id = %(order)s AND status IN ('submitted', 'accepted', 'partially_filled', 'filled') FOR UPDATE
), moved AS (
  UPDATE brokers_order o SET status = 'accepted', broker_order_id = %(broker_order_id)s, acknowledged_at = %(now)s,
    changed_at = %(now)s
  FROM held WHERE o.id = held.id AND held.status = 'submitted' RETURNING o.id
), overtaken AS (
  UPDATE brokers_order o SET broker_order_id = %(broker_order_id)s, acknowledged_at = %(now)s
  FROM held WHERE o.id = held.id AND held.status <> 'submitted' AND held.acknowledged_at IS NULL
), recorded AS (
  INSERT INTO brokers_orderevent (order_id, old, new, cause, at)
  SELECT id, 'submitted', 'accepted', 'acknowledged by IBKR', %(now)s FROM moved
), answered AS (
  UPDATE brokers_submissionattempt SET outcome = 'accepted', answered_at = %(now)s, answer = %(answer)s::jsonb
  WHERE id = %(attempt)s AND outcome = '' AND EXISTS (SELECT FROM held)
), done AS (
  UPDATE brokers_ticket SET worked_at = %(now)s
  WHERE id = %(ticket)s AND worked_at IS NULL AND EXISTS (SELECT FROM held)
    AND NOT EXISTS (SELECT FROM brokers_order o WHERE o.ticket_id = %(ticket)s AND o.status = 'created')
)
SELECT EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = %(connection)s AND o.status = 'created') FROM held
"""
