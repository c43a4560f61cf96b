"""The statements that every order waits for, written as SQL: what may leave, and the answer that it was taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from brokers.domain import questions
from brokers.domain.orders import AssetClass, OrderType, Role, Rounds, TimeInForce

WAYS_OUT = [str(role) for role in questions.WAYS_OUT]
# In the order in which they leave.
_ROLES = [*WAYS_OUT, *(str(role) for role in Role if role not in questions.WAYS_OUT)]


def _listed(words: Iterable[str]) -> str:
    """Words in the text of a statement: as a parameter PostgreSQL would plan the statement for them with each call."""
    return ", ".join(f"'{word}'" for word in words)


def _in_order(roles: list[str]) -> str:
    return ", ".join(f"('{role}', {way})" for way, role in enumerate(roles))


# Of the connections whose lanes this process works; whose turn it is, and nothing that must be true.
ROUNDS: dict[int, Rounds] = defaultdict(Rounds)

# Statuses as some partial indexes have them, and as only these have them. PostgreSQL plans a statement by rows that it
# counted earlier: when nothing waited, every index over what waits is as good to it as any other, and of `status =
# 'created'` it may take one that has to read all of them.
_CREATED = "{order}.status BETWEEN 'created' AND 'created'"
IN_LINE = _CREATED + " AND NOT {order}.asks_first AND {order}.release IN ('at_once', 'after_parent_fills')"
ASKS_FIRST = _CREATED + " AND {order}.asks_first"
IN_DOUBT = """({order}.status BETWEEN 'needs_attention' AND 'needs_attention' OR {order}.status BETWEEN 'unknown' AND 'unknown')"""

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

# What IBKR holds as another class than an order's is never traded under its number: not a CFD as the share it is on, and
# nothing that Halyard has no orders for.
# Asked of the positions once for each account and contract (`place`), and only compared for each order.
IS_TRADED = """{order}.asset_class = ALL (ARRAY(
  SELECT p.asset_class FROM brokers_position p WHERE p.account_id = {place}.account_id AND p.conid = {place}.conid
))"""

# While one release follows another, orders of the newer one wait for a lane that can say them to IBKR.
_CAN_BE_SAID = f"""({{order}}.type IN ({_listed(OrderType)}) AND {{order}}.asset_class IN ({_listed(AssetClass)})
    AND {{order}}.time_in_force IN ({_listed(TimeInForce)}))"""

# What of a connection `c` is asked of IBKR before its next order; `agenda` asks for it beside all else.
BEFORE_ORDERS = """\
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND o.status = 'pending_cancel') AS has_cancels,
  EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND o.status IN ('accepted', 'partially_filled')
          AND o.convert_after IS NOT NULL AND o.type <> 'market')
    OR EXISTS (SELECT FROM brokers_order o WHERE o.connection_id = c.id AND o.status IN ('accepted', 'partially_filled')
               AND o.resize_to IS NOT NULL)
    OR EXISTS (SELECT FROM brokers_ordermodification m WHERE m.connection_id = c.id AND m.status IN ('waiting', 'leaving'))
    AS has_changes,
  EXISTS (SELECT FROM brokers_foreignorder f JOIN brokers_brokerageaccount a ON a.id = f.account_id
          WHERE a.connection_id = c.id AND f.cancel_asked_at IS NOT NULL) AS has_foreign_cancels,
  EXISTS (SELECT FROM brokers_orderprompt p WHERE p.connection_id = c.id AND p.verdict = '') AS has_prompts"""

# Written as SQL, since every order waits for it: one statement finds what may leave, moves it and tells its history.
# Whether an order of the line may leave by itself, asked of one after the other.
_ITSELF = f"""o.expires_at > %(now)s AND NOT {HELD.format(order="o")} AND {_CAN_BE_SAID.format(order="o")}
    AND NOT EXISTS (SELECT FROM brokers_order leg WHERE leg.parent_id = o.id AND leg.release IN ('with_parent', 'in_group')
                    AND NOT {_CAN_BE_SAID.format(order="leg")})
    AND (o.release = 'at_once'
         OR EXISTS (SELECT FROM brokers_order p WHERE p.id = o.parent_id AND p.status || '' = 'filled'))"""  # noqa: S608
# Whether any order of an account and a contract may leave, asked once of all that wait there. An instrument is held back
# while it is not known what became of an earlier order in it; and a connection while IBKR restarts, its ways out a little
# later than the rest where the operator says so.
_THERE = f"""{CONSENTED}
    AND NOT EXISTS (SELECT FROM brokers_order u WHERE u.account_id = {{order}}.account_id AND u.conid = {{order}}.conid
                    AND {IN_DOUBT.format(order="u")})
    AND NOT EXISTS (SELECT FROM brokers_connection c WHERE c.id = {{order}}.connection_id AND c.environment <> 'simulated'
                    AND coalesce(nullif(c.region_seen, ''), c.region) = ANY(
                      CASE WHEN {{order}}.role IN ({_listed(WAYS_OUT)}) THEN %(shut)s::text[]
                           ELSE %(closed)s::text[] END))"""  # noqa: S608
# The index `orders_in_line`, in its order. Bounds that are rows are for it alone, however few rows PostgreSQL expects.
_NEXT_IN_LINE = f"""SELECT o.connection_id, o.role, o.account_id, o.conid, o.ticket_id, o.id FROM brokers_order o
      WHERE {IN_LINE.format(order="o")} AND {{bounds}}
      ORDER BY o.connection_id, o.role, o.account_id, o.conid, o.ticket_id, o.id LIMIT 1"""  # noqa: S608
_OF_ROLE = """(o.connection_id, o.role) >= ({connection}, roles.role) AND (o.connection_id, o.role) <= ({connection}, roles.role)"""
_FURTHER = """(o.connection_id, o.role, o.account_id, o.conid) > (places.connection_id, places.role, places.account_id, places.conid)
        AND (o.connection_id, o.role) <= (places.connection_id, places.role)"""
_AT_PLACE = """(o.connection_id, o.role, o.account_id, o.conid) >= (place.connection_id, place.role, place.account_id, place.conid)
        AND (o.connection_id, o.role, o.account_id, o.conid) <= (place.connection_id, place.role, place.account_id, place.conid)"""
# The places where orders of a connection wait, by role, account and contract, each with the first of its line: found by as
# many steps through the index as there are places, however many wait at each.
_PLACES = f"""places AS (
    SELECT roles.way, head.* FROM (VALUES {{roles}}) AS roles (role, way)
    CROSS JOIN LATERAL ({_NEXT_IN_LINE.format(bounds=_OF_ROLE)}) AS head
    UNION ALL
    SELECT places.way, head.* FROM places
    CROSS JOIN LATERAL ({_NEXT_IN_LINE.format(bounds=_FURTHER)}) AS head
  )"""  # noqa: S608
# The first order of a place that may leave: nothing is asked of those behind it.
_OF_PLACE = _NEXT_IN_LINE.format(
    bounds=f"{_AT_PLACE}\n        AND {_THERE.format(order='place')}\n        AND {_ITSELF}"
    f"\n        AND {IS_TRADED.format(order='o', place='place')}"
)
# Exits first, then stops and targets that leave by themselves; then contract by contract in turn, the one that never had
# an order leave before those that had. What somebody holds at this moment is passed by.
_FIRST = f"""WITH RECURSIVE {_PLACES.replace("{roles}", _in_order(_ROLES))}
  SELECT first.id FROM (
    SELECT *, coalesce(array_position({{left}}, account_id || ':' || conid), 0) AS turn FROM places
    ORDER BY way, turn, ticket_id, id OFFSET 0
  ) AS place CROSS JOIN LATERAL ({_OF_PLACE} FOR UPDATE SKIP LOCKED) AS first
  WHERE {{such}}
  ORDER BY place.way, place.turn, place.ticket_id, place.id LIMIT 1"""  # noqa: S608
_LEAVING = """leaving AS (
  SELECT id FROM next
  UNION ALL
  SELECT o.id FROM brokers_order o JOIN next ON o.parent_id = next.id
  WHERE o.release IN ('with_parent', 'in_group') AND o.status || '' = 'created'
), moved AS (
  UPDATE brokers_order o SET status = 'submitted', submitted_at = %(now)s, changed_at = %(now)s,
    -- What it waited for is over.
    reason = '', reason_code = ''
  FROM leaving WHERE o.id = leaving.id AND o.status || '' = 'created' RETURNING o.*
), recorded AS (
  INSERT INTO brokers_orderevent (order_id, old, new, cause, at)
  SELECT id, 'created', 'submitted', 'sent to IBKR', %(now)s FROM moved
), request AS (
  -- Of the rows that are sent, as `execution.described` says it of them.
  SELECT next.id, jsonb_agg(jsonb_build_object(
    'reference', reference, 'conid', conid, 'side', side, 'type', type, 'quantity', quantity::text,
    'limit_price', limit_price::text, 'stop_price', stop_price::text,
    'trail', coalesce(trail_percent || '%%', trail_amount::text), 'time_in_force', time_in_force) ORDER BY moved.id) AS legs
  FROM next JOIN moved ON moved.id = next.id OR moved.parent_id = next.id GROUP BY next.id
), attempt AS (
  INSERT INTO brokers_submissionattempt (order_id, kind, request, request_hash, sent_at, outcome)
  SELECT id, 'post', legs, encode(sha256(convert_to(legs::text, 'UTF8')), 'hex'), %(now)s, '' FROM request
  RETURNING id, order_id
)
"""
_COLUMNS = """moved.*, attempt.id AS attempt_pk, a.account_id AS account_number,
  coalesce(l.name, '') AS contract_name, coalesce(l.exchange, '') AS contract_exchange,
  coalesce(l.tick, 0.01) AS contract_tick"""
_ROWS = """moved LEFT JOIN attempt ON attempt.order_id = moved.id
JOIN brokers_brokerageaccount a ON a.id = moved.account_id
LEFT JOIN brokers_contractlookup l
  ON l.connection_id = moved.connection_id AND l.asset_class = moved.asset_class AND l.ticker = moved.ticker"""
_LEFT = f"{_LEAVING}SELECT {_COLUMNS}\nFROM {_ROWS}\nORDER BY moved.id\n"
_OF_CONNECTION = _FIRST.replace("{connection}", "%(connection)s::bigint").replace("{left}", "%(left)s::text[]")
TAKE_NEXT = f"""
WITH next AS (
  {_OF_CONNECTION.format(such="true")}
), {_LEFT}"""
# The same where nothing else of the connection leaves before an order, by a session that is not in doubt. One row says what
# was found to come first, without an order where none leaves; no row: the session is in doubt.
TAKE_NEXT_UNLESS = f"""
WITH found AS MATERIALIZED (
  SELECT
{BEFORE_ORDERS}
  FROM brokers_connection c
  WHERE c.id = %(connection)s AND c.session_status = 'active' AND c.last_kept_at IS NOT NULL
), next AS (
  {_OF_CONNECTION.format(such="(SELECT NOT (has_cancels OR has_changes OR has_foreign_cancels OR has_prompts) FROM found)")}
), {_LEAVING}SELECT {_COLUMNS}, found.*
FROM found LEFT JOIN ({_ROWS}) ON true
ORDER BY moved.id
"""  # noqa: S608
_HAS_NEXT = f"""
WITH RECURSIVE {_PLACES.replace("{connection}", "%(connection)s::bigint")}
SELECT EXISTS (SELECT FROM places AS place CROSS JOIN LATERAL ({_OF_PLACE}) AS first)
"""  # noqa: S608
# Whether it would find one, and whether it would find a way out. What somebody holds at this moment counts as well.
HAS_NEXT = _HAS_NEXT.replace("{roles}", _in_order(_ROLES))
HAS_WAY_OUT = _HAS_NEXT.replace("{roles}", _in_order(WAYS_OUT))
# The same as TAKE_NEXT for many connections, each with the places that it served last, as one text.
TAKE_OF_EACH = f"""
WITH asked AS MATERIALIZED (
  SELECT connection, string_to_array(places, ',') AS places
  FROM unnest(%(connections)s::bigint[], %(left)s::text[]) AS each (connection, places)
), next AS MATERIALIZED (
  SELECT first.id FROM asked CROSS JOIN LATERAL (
  {_FIRST.format(connection="asked.connection", left="asked.places", such="true")}
  ) AS first
), {_LEFT}"""  # noqa: S608

# The same for the one order of a ticket that is being opened, by whoever opens it, while the connection's lane waits for it
# under its lock: only where that lane would find nothing else to do, as far as rows tell.
TAKE_OF_TICKET = f"""
WITH next AS (
  SELECT o.id FROM brokers_order o JOIN brokers_connection c ON c.id = o.connection_id
  WHERE o.ticket_id = %(ticket)s AND o.release = 'at_once' AND {IN_LINE.format(order="o")} AND {_ITSELF}
    AND {_THERE.format(order="o")} AND {IS_TRADED.format(order="o", place="o")}
    AND c.enabled AND c.session_status = 'active' AND c.last_kept_at IS NOT NULL
    AND (c.suppression_wanted_at IS NULL OR c.suppression_wanted_at > %(now)s)
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id AND {IN_LINE.format(order="w")}
                    AND w.id <> o.id AND (w.ticket_id <> o.ticket_id OR w.release = 'at_once'))
    AND NOT EXISTS (SELECT FROM brokers_order w WHERE w.connection_id = c.id AND {ASKS_FIRST.format(order="w")})
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
), {_LEFT}"""  # noqa: S608
# The same for the answer that nearly always comes back, also where the stream has told of the order meanwhile: then only
# what the answer alone brings is kept. Nothing is written where the row says that it is not so usual. It tells whether the
# connection has more that may have to leave.
ACKNOWLEDGE = f"""
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
    AND NOT EXISTS (SELECT FROM brokers_order o WHERE o.ticket_id = %(ticket)s AND o.status || '' = 'created')
)
SELECT EXISTS (SELECT FROM brokers_order o
               WHERE o.connection_id = %(connection)s AND {IN_LINE.format(order="o")}) FROM held
"""  # noqa: S608
# The same for the answers of many orders, one statement for all: whose row somebody holds is left out, and what else is held
# is waited for a moment, after which none is written. Rows are found by their keys alone, as `_CREATED` says,
# and one by one: of EXISTS PostgreSQL may make a list of all orders that wait.
ACKNOWLEDGE_EACH = f"""
WITH patience AS MATERIALIZED (
  SELECT set_config('lock_timeout', %(patience)s, true) AS set
), given AS MATERIALIZED (
  SELECT each.* FROM patience, jsonb_to_recordset(%(answers)s::jsonb) AS each ("order" bigint, connection bigint, ticket bigint,
    attempt bigint, now timestamptz, broker_order_id text, answer jsonb)
), held AS MATERIALIZED (
  SELECT given.*, o.status, o.acknowledged_at FROM given CROSS JOIN LATERAL (
    SELECT id, status, acknowledged_at FROM brokers_order
    WHERE id = given."order" AND status IN ('submitted', 'accepted', 'partially_filled', 'filled') FOR UPDATE SKIP LOCKED
  ) AS o
), moved AS (
  UPDATE brokers_order o SET status = 'accepted', broker_order_id = held.broker_order_id, acknowledged_at = held.now,
    changed_at = held.now
  FROM held WHERE o.id = held."order" AND held.status = 'submitted' RETURNING o.id, o.acknowledged_at
), overtaken AS (
  UPDATE brokers_order o SET broker_order_id = held.broker_order_id, acknowledged_at = held.now
  FROM held WHERE o.id = held."order" AND held.status <> 'submitted' AND held.acknowledged_at IS NULL
), recorded AS (
  INSERT INTO brokers_orderevent (order_id, old, new, cause, at)
  SELECT id, 'submitted', 'accepted', 'acknowledged by IBKR', acknowledged_at FROM moved
), answered AS (
  UPDATE brokers_submissionattempt t SET outcome = 'accepted', answered_at = held.now, answer = held.answer
  FROM held WHERE t.id = held.attempt AND t.outcome || '' = ''
), done AS (
  UPDATE brokers_ticket t SET worked_at = held.now
  FROM held WHERE t.id = held.ticket AND t.worked_at IS NULL
    AND (SELECT true FROM brokers_order o WHERE o.ticket_id = held.ticket AND o.status || '' = 'created' LIMIT 1) IS NULL
)
SELECT held."order", (SELECT true FROM brokers_order o
                      WHERE o.connection_id = held.connection AND {IN_LINE.format(order="o")} LIMIT 1) FROM held
"""  # noqa: S608
