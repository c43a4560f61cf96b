"""The statements of the intake. Each is a transaction of its own; each takes one JSON document with a row per delivery."""

from __future__ import annotations

# `read_under` is the version of the settings a delivery was read under. When a row of them has changed since, nothing is
# written for it: its settings come back instead, and it is read again. So no decision rests on a stale copy, and a
# webhook that is disabled takes nothing from that commit on.
# Keys are inserted in one order everywhere, so that two processes with the same keys wait for each other and never
# deadlock; signals in the order of arrival, which is the order they will be decided in.
STORE = """
WITH delivery AS (
    SELECT * FROM json_to_recordset(%s) AS d (
        n int, endpoint uuid, read_under text, log uuid, body text, address inet, received_at timestamptz,
        signal uuid, key text, key_seconds int, reading jsonb, warnings jsonb, content_type text,
        status int, message_code text, sentence text, field text
    )
), known AS MATERIALIZED (
    -- LIMIT keeps the planner from hashing whole tables for a handful of rows.
    SELECT d.*, found.*
      FROM delivery d
      CROSS JOIN LATERAL (
        SELECT e.id AS endpoint_id, e.team_id, e.strategy_id, concat(e.xmin, '.', s.xmin) AS version,
               e.enabled AS endpoint_enabled, s.enabled AS strategy_enabled, s.asset_class, s.allowed_tickers,
               s.repeat_window_seconds
          FROM strategies_webhookendpoint e
          JOIN strategies_strategy s ON s.id = e.strategy_id
         WHERE e.code = d.endpoint
         LIMIT 1
      ) found
), seen AS (
    INSERT INTO strategies_seenkey AS old (endpoint_id, key, signal_code, log_code, expires_at)
    SELECT endpoint_id, key, signal, log, now() + key_seconds * interval '1 second'
      FROM known WHERE version = read_under AND key IS NOT NULL
     ORDER BY endpoint_id, key
    ON CONFLICT (endpoint_id, key) DO UPDATE
       SET signal_code = EXCLUDED.signal_code, log_code = EXCLUDED.log_code, expires_at = EXCLUDED.expires_at
     WHERE old.expires_at <= now()
    RETURNING signal_code
), stored AS (
    INSERT INTO strategies_signal (
        team_id, endpoint_id, strategy_id, code, log_code, key, body, reading, warnings, address, content_type,
        received_at, stored_at, duplicates, note
    )
    SELECT team_id, endpoint_id, strategy_id, signal, log, key, body, reading, warnings, address, content_type,
           received_at, clock_timestamp(), 0, ''
      FROM known JOIN seen ON seen.signal_code = known.signal
     ORDER BY n
    RETURNING code
), refused AS (
    INSERT INTO strategies_refusal (
        team_id, endpoint_id, log_code, status, message_code, sentence, field, body, address, received_at
    )
    SELECT team_id, endpoint_id, log, status, message_code, sentence, field, body, address, received_at
      FROM known WHERE version = read_under AND status IS NOT NULL
    ON CONFLICT (log_code) DO NOTHING
), notified AS (
    SELECT pg_notify('halyard_signals', '') FROM stored LIMIT 1
)
SELECT n, stored.code IS NOT NULL,
       CASE WHEN version <> read_under THEN json_build_object(
           'version', version, 'endpoint_enabled', endpoint_enabled, 'strategy_enabled', strategy_enabled,
           'asset_class', asset_class, 'allowed_tickers', allowed_tickers,
           'repeat_window_seconds', repeat_window_seconds) END
  FROM known LEFT JOIN stored ON stored.code = known.signal
 WHERE (SELECT count(*) FROM notified) >= 0
"""

# Which signal a key belongs to, counting the repeats. `own`: it is this delivery's own, stored just now, or by an
# attempt of ours whose answer was lost.
REPEAT = """
WITH again AS (
    SELECT * FROM json_to_recordset(%s) AS a (n int, endpoint uuid, key text, signal uuid, times int)
), first AS (
    SELECT a.n, k.signal_code, k.signal_code = a.signal AS own,
           a.times - CASE WHEN k.signal_code = a.signal THEN 1 ELSE 0 END AS times
      FROM again a
      JOIN strategies_webhookendpoint e ON e.code = a.endpoint
      JOIN strategies_seenkey k ON k.endpoint_id = e.id AND k.key = a.key AND k.expires_at > now()
), counted AS (
    UPDATE strategies_signal s SET duplicates = s.duplicates + first.times
      FROM first WHERE s.code = first.signal_code AND first.times > 0
)
SELECT n, signal_code FROM first
"""
