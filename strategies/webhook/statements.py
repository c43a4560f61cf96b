"""The SQL of the intake. Each statement is one transaction, and takes one JSON document with a row per delivery."""

from __future__ import annotations

# `read_under` is the version of the settings that a delivery was read under. When those have changed since, the statement
# writes nothing for the delivery and returns its new settings, and the delivery is read again. So no decision rests on a
# stale copy, and a webhook that is disabled takes nothing from that commit on.
# Meters and keys are written in the same order by every process, so that two of them wait for each other and never
# deadlock. Signals are written in the order of arrival, in which they will be decided.
_STORE = """
WITH delivery AS (
    SELECT * FROM json_to_recordset(%s) AS d (
        n int, endpoint uuid, read_under text, log uuid, body text, address inet, headers jsonb, received_at timestamptz,
        metered bool, leaves bool, stranger bool, old_key bool, refused bool, over bool, minute timestamptz,
        taken_minute_before int, taken_hour_before int, exits_minute_before int, exits_hour_before int,
        signal uuid, key text, key_seconds int, reading jsonb, warnings jsonb, content_type text,
        ticker text, action text, signal_time timestamptz, not_before timestamptz, is_test bool,
        set_aside text, note text,
        status int, message_code text, sentence text, field text
    )
), known AS MATERIALIZED (
    -- LIMIT keeps the planner from hashing whole tables for a handful of rows.
    SELECT d.*, settings.*, version = read_under AS current
      FROM delivery d
      CROSS JOIN LATERAL (
        SELECT e.id AS endpoint_id, e.team_id, e.strategy_id, concat(e.xmin, '.', s.xmin) AS version,
               e.enabled AS endpoint_enabled, s.enabled AS strategy_enabled, s.team_closed, s.asset_class,
               s.allowed_tickers, s.repeat_window_seconds, s.entry_stale_seconds, s.exit_stale_seconds, s.tradingview_only,
               s.allowed_addresses, s.signature_required, s.per_minute, s.per_hour
          FROM strategies_webhookendpoint e
          JOIN strategies_strategy s ON s.id = e.strategy_id
         WHERE e.code = d.endpoint
         LIMIT 1
      ) settings
), measured AS (
    INSERT INTO strategies_webhookminute AS m (
        endpoint_id, minute, taken, exits, refused, over, strangers, old_key, last_at,
        taken_minute_before, taken_hour_before, exits_minute_before, exits_hour_before
    )
    SELECT endpoint_id, minute, count(*) FILTER (WHERE metered), count(*) FILTER (WHERE metered AND leaves),
           count(*) FILTER (WHERE refused AND NOT stranger), count(*) FILTER (WHERE over),
           count(*) FILTER (WHERE stranger), count(*) FILTER (WHERE old_key), max(received_at),
           min(taken_minute_before), min(taken_hour_before), min(exits_minute_before), min(exits_hour_before)
      FROM known WHERE current AND (metered OR stranger)
     GROUP BY endpoint_id, minute ORDER BY endpoint_id, minute
    ON CONFLICT (endpoint_id, minute) DO UPDATE
       SET taken = m.taken + EXCLUDED.taken, exits = m.exits + EXCLUDED.exits, refused = m.refused + EXCLUDED.refused,
           over = m.over + EXCLUDED.over, strangers = m.strangers + EXCLUDED.strangers,
           old_key = m.old_key + EXCLUDED.old_key, last_at = greatest(m.last_at, EXCLUDED.last_at)
    RETURNING endpoint_id, minute, taken, exits, strangers, over
), seen AS (
    INSERT INTO strategies_seenkey AS old (strategy_id, key, signal_code, log_code, expires_at)
    SELECT DISTINCT ON (strategy_id, key) strategy_id, key, signal, log, now() + key_seconds * interval '1 second'
      FROM known WHERE current AND key IS NOT NULL
     ORDER BY strategy_id, key, n
    ON CONFLICT (strategy_id, key) DO UPDATE
       SET signal_code = EXCLUDED.signal_code, log_code = EXCLUDED.log_code, expires_at = EXCLUDED.expires_at
     WHERE old.expires_at <= now()
    RETURNING signal_code
), stored AS (
    INSERT INTO strategies_signal (
        team_id, endpoint_id, strategy_id, code, log_code, key, body, reading, warnings, address, headers, content_type,
        ticker, action, signal_time, received_at, stored_at, not_before, dispatched_at, duplicates, is_test, set_aside,
        note
    )
    SELECT team_id, endpoint_id, strategy_id, signal, log, key, body, reading, warnings, address, headers, content_type,
           ticker, action, signal_time, received_at, clock_timestamp(), not_before,
           CASE WHEN set_aside <> '' THEN clock_timestamp() END, 0, is_test, set_aside, note
      FROM known JOIN seen ON seen.signal_code = known.signal
     ORDER BY n
    RETURNING code, team_id, dispatched_at
), {refused} notified AS (
    -- Whose signals wait: who decides looks at once, or leaves a team that rests for later.
    SELECT pg_notify('halyard_signals', team_id::text) FROM stored WHERE dispatched_at IS NULL GROUP BY team_id
)
SELECT known.n, stored.code IS NOT NULL, {logged}, measured.taken, measured.exits, measured.strangers, measured.over,
       CASE WHEN NOT known.current THEN json_build_object(
           'version', known.version, 'endpoint_enabled', known.endpoint_enabled,
           'strategy_enabled', known.strategy_enabled, 'team_closed', known.team_closed,
           'asset_class', known.asset_class,
           'allowed_tickers', known.allowed_tickers, 'repeat_window_seconds', known.repeat_window_seconds,
           'entry_stale_seconds', known.entry_stale_seconds, 'exit_stale_seconds', known.exit_stale_seconds,
           'tradingview_only', known.tradingview_only, 'allowed_addresses', known.allowed_addresses,
           'signature_required', known.signature_required, 'per_minute', known.per_minute,
           'per_hour', known.per_hour) END
  FROM known
  LEFT JOIN measured ON measured.endpoint_id = known.endpoint_id AND measured.minute = known.minute
  LEFT JOIN stored ON stored.code = known.signal {join}
 WHERE (SELECT count(*) FROM notified) >= 0
"""

_REFUSED = """refused AS (
    INSERT INTO strategies_refusal (
        team_id, endpoint_id, log_code, status, message_code, sentence, field, body, content_type, headers, address,
        received_at
    )
    SELECT team_id, endpoint_id, log, status, message_code, sentence, field, body, content_type, headers, address,
           received_at
      FROM known WHERE current AND status IS NOT NULL
    ON CONFLICT (log_code) DO NOTHING
    RETURNING log_code
),"""

# Most batches hold no refusal, and a statement without that part is cheaper.
STORE = _STORE.format(refused="", logged="false", join="")
STORE_AND_REFUSE = _STORE.format(
    refused=_REFUSED, logged="refused.log_code IS NOT NULL", join="LEFT JOIN refused ON refused.log_code = known.log"
)

# The counts of these webhooks in a minute, and in the minute and the hour before it; before them what their teams took,
# which is looked up once for each team.
QUOTAS = """
WITH asked AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS a (endpoint uuid, minute timestamptz, whole bool)
), teams AS MATERIALIZED (
  SELECT DISTINCT e.team_id, asked.minute
    FROM asked JOIN strategies_webhookendpoint e ON e.code = asked.endpoint WHERE asked.whole
), budget AS MATERIALIZED (
  SELECT t.team_id, of_all.*
    FROM teams t
    CROSS JOIN LATERAL (
      SELECT (sum(m.taken - m.over) FILTER (WHERE m.minute = t.minute))::int AS taken,
             (sum(least(m.exits, m.taken - m.over)) FILTER (WHERE m.minute = t.minute))::int AS exits,
             (sum(m.taken - m.over) FILTER (WHERE m.minute < t.minute))::int AS taken_before,
             (sum(least(m.exits, m.taken - m.over)) FILTER (WHERE m.minute < t.minute))::int AS exits_before
        FROM strategies_webhookendpoint o
        JOIN strategies_webhookminute m
          ON m.endpoint_id = o.id AND m.minute >= t.minute - interval '1 minute' AND m.minute <= t.minute
       WHERE o.team_id = t.team_id
    ) of_all
)
SELECT e.code, coalesce(budget.taken, 0), coalesce(budget.exits, 0), coalesce(budget.taken_before, 0),
       coalesce(budget.exits_before, 0),
       coalesce(m.taken, 0), coalesce(m.exits, 0), coalesce(m.strangers, 0), coalesce(m.over, 0),
       coalesce(m.taken_minute_before, past.taken_minute, 0), coalesce(m.taken_hour_before, past.taken_hour, 0),
       coalesce(m.exits_minute_before, past.exits_minute, 0), coalesce(m.exits_hour_before, past.exits_hour, 0),
       e.team_id
  FROM asked
  JOIN strategies_webhookendpoint e ON e.code = asked.endpoint
  LEFT JOIN budget ON budget.team_id = e.team_id
  LEFT JOIN strategies_webhookminute m ON m.endpoint_id = e.id AND m.minute = asked.minute
  LEFT JOIN LATERAL (
    SELECT sum(p.taken)::int AS taken_hour, sum(p.exits)::int AS exits_hour,
           (sum(p.taken) FILTER (WHERE p.minute >= asked.minute - interval '1 minute'))::int AS taken_minute,
           (sum(p.exits) FILTER (WHERE p.minute >= asked.minute - interval '1 minute'))::int AS exits_minute
      FROM strategies_webhookminute p
     WHERE m.id IS NULL AND p.endpoint_id = e.id
       AND p.minute >= asked.minute - interval '1 hour' AND p.minute < asked.minute
  ) past ON true
"""

# The signal that a key belongs to; each repeat is written down. `own`: the delivery's own signal, stored just now or by an
# earlier attempt whose answer was lost.
REPEAT = """
WITH again AS (
    SELECT * FROM json_to_recordset(%s) AS a (
        n int, endpoint uuid, key text, log uuid, address inet, headers jsonb, received_at timestamptz
    )
), first AS (
    SELECT a.*, s.id AS signal_id, s.team_id, k.signal_code, k.log_code = a.log AS own
      FROM again a
      JOIN strategies_webhookendpoint e ON e.code = a.endpoint
      JOIN strategies_seenkey k ON k.strategy_id = e.strategy_id AND k.key = a.key AND k.expires_at > now()
      JOIN strategies_signal s ON s.code = k.signal_code
), written AS (
    INSERT INTO strategies_repeat (team_id, signal_id, log_code, address, headers, received_at)
    SELECT team_id, signal_id, log, address, headers, received_at FROM first WHERE NOT own ORDER BY n
    ON CONFLICT (log_code) DO NOTHING
    RETURNING signal_id
), counted AS (
    UPDATE strategies_signal s SET duplicates = s.duplicates + w.times
      FROM (SELECT signal_id, count(*) AS times FROM written GROUP BY signal_id ORDER BY signal_id) w
     WHERE s.id = w.signal_id
)
SELECT n, signal_code FROM first
"""
