"""The statements of the intake. Each is a transaction of its own; each takes one JSON document with a row per delivery."""

from __future__ import annotations

# `read_under` is the version of the settings a delivery was read under. When a row of them has changed since, nothing is
# written for it: its settings come back instead, and it is read again. So no decision rests on a stale copy, and a
# webhook that is disabled takes nothing from that commit on.
# Keys and meters are written in one order everywhere, so that two processes with the same ones wait for each other and
# never deadlock; signals in the order of arrival, which is the order they will be decided in.
# A meter holds one minute. Its first delivery writes down what the minute and the hour before it took; the minute before
# counts for the part of it that is less than a minute ago, so that no burst across the full minute doubles the limit.
# Exits and cancels have a third of every limit to themselves. Of a flood, twenty refusals a minute are written down one
# by one; the meter counts them all.
STORE = """
WITH delivery AS (
    SELECT * FROM json_to_recordset(%s) AS d (
        n int, endpoint uuid, read_under text, log uuid, body text, address inet, headers jsonb, received_at timestamptz,
        metered bool, leaves bool, stranger bool, old_key bool,
        signal uuid, key text, key_seconds int, reading jsonb, warnings jsonb, content_type text,
        ticker text, action text, signal_time timestamptz, not_before timestamptz, is_test bool,
        set_aside text, note text,
        status int, message_code text, sentence text, field text, over_sentence text
    )
), known AS MATERIALIZED (
    -- LIMIT keeps the planner from hashing whole tables for a handful of rows.
    SELECT d.*, found.*, version = read_under AS current
      FROM delivery d
      CROSS JOIN LATERAL (
        SELECT e.id AS endpoint_id, e.team_id, e.strategy_id, concat(e.xmin, '.', s.xmin) AS version,
               e.enabled AS endpoint_enabled, s.enabled AS strategy_enabled, s.asset_class, s.allowed_tickers,
               s.repeat_window_seconds, s.entry_stale_seconds, s.exit_stale_seconds, s.tradingview_only,
               s.allowed_addresses, s.signature_required, s.per_minute, s.per_hour
          FROM strategies_webhookendpoint e
          JOIN strategies_strategy s ON s.id = e.strategy_id
         WHERE e.code = d.endpoint
         LIMIT 1
      ) found
), meter AS MATERIALIZED (
    SELECT m.* FROM strategies_webhookminute m
     WHERE m.minute = date_trunc('minute', now())
       AND m.endpoint_id IN (SELECT endpoint_id FROM known WHERE current)
     ORDER BY m.endpoint_id FOR UPDATE
), so_far AS MATERIALIZED (
    SELECT asked.endpoint_id, coalesce(m.taken, 0) AS taken, coalesce(m.exits, 0) AS exits,
           coalesce(m.strangers, 0) AS strangers, coalesce(m.over, 0) AS over,
           coalesce(m.taken_minute_before, past.taken_minute, 0) AS taken_minute_before,
           coalesce(m.taken_hour_before, past.taken_hour, 0) AS taken_hour_before,
           coalesce(m.exits_minute_before, past.exits_minute, 0) AS exits_minute_before,
           coalesce(m.exits_hour_before, past.exits_hour, 0) AS exits_hour_before
      FROM (SELECT DISTINCT endpoint_id FROM known WHERE current) asked
      LEFT JOIN meter m ON m.endpoint_id = asked.endpoint_id
      LEFT JOIN LATERAL (
        SELECT sum(p.taken) AS taken_hour, sum(p.exits) AS exits_hour,
               sum(p.taken) FILTER (WHERE p.minute >= date_trunc('minute', now()) - interval '1 minute') AS taken_minute,
               sum(p.exits) FILTER (WHERE p.minute >= date_trunc('minute', now()) - interval '1 minute') AS exits_minute
          FROM strategies_webhookminute p
         WHERE m.id IS NULL AND p.endpoint_id = asked.endpoint_id
           AND p.minute >= date_trunc('minute', now()) - interval '1 hour' AND p.minute < date_trunc('minute', now())
      ) past ON true
), counted AS MATERIALIZED (
    SELECT k.*,
           s.taken + s.taken_minute_before * (1 - elapsed.part) + k.nth AS minute_load,
           s.taken + s.taken_hour_before + k.nth AS hour_load,
           s.exits + s.exits_minute_before * (1 - elapsed.part) + k.nth_exit AS minute_exits,
           s.exits + s.exits_hour_before + k.nth_exit AS hour_exits,
           s.strangers + k.nth_stranger AS strangers, s.over AS over_before,
           s.taken_minute_before, s.taken_hour_before, s.exits_minute_before, s.exits_hour_before, s.taken
      FROM (
        SELECT *,
               count(*) FILTER (WHERE metered) OVER (PARTITION BY endpoint_id ORDER BY n) AS nth,
               count(*) FILTER (WHERE metered AND leaves) OVER (PARTITION BY endpoint_id ORDER BY n) AS nth_exit,
               count(*) FILTER (WHERE stranger) OVER (PARTITION BY endpoint_id ORDER BY n) AS nth_stranger
          FROM known WHERE current
      ) k
      JOIN so_far s ON s.endpoint_id = k.endpoint_id
      CROSS JOIN (SELECT extract(epoch FROM now() - date_trunc('minute', now())) / 60 AS part) elapsed
), judged AS MATERIALIZED (
    SELECT *, over_before + count(*) FILTER (WHERE is_over) OVER (PARTITION BY endpoint_id ORDER BY n) AS nth_over
      FROM (
        SELECT *,
               metered AND (minute_load > per_minute OR hour_load > per_hour)
               AND NOT (leaves AND minute_exits <= greatest(per_minute / 3, 1)
                               AND hour_exits <= greatest(per_hour / 3, 1)) AS is_over
          FROM counted
      ) c
), measured AS (
    INSERT INTO strategies_webhookminute AS m (
        endpoint_id, minute, taken, exits, refused, over, strangers, old_key, last_at,
        taken_minute_before, taken_hour_before, exits_minute_before, exits_hour_before
    )
    SELECT endpoint_id, date_trunc('minute', now()), count(*) FILTER (WHERE metered),
           count(*) FILTER (WHERE metered AND leaves), count(*) FILTER (WHERE status IS NOT NULL AND NOT stranger),
           count(*) FILTER (WHERE is_over), count(*) FILTER (WHERE stranger), count(*) FILTER (WHERE old_key),
           max(received_at), min(taken_minute_before), min(taken_hour_before), min(exits_minute_before),
           min(exits_hour_before)
      FROM judged WHERE metered OR stranger
     GROUP BY endpoint_id ORDER BY endpoint_id
    ON CONFLICT (endpoint_id, minute) DO UPDATE
       SET taken = m.taken + EXCLUDED.taken, exits = m.exits + EXCLUDED.exits, refused = m.refused + EXCLUDED.refused,
           over = m.over + EXCLUDED.over, strangers = m.strangers + EXCLUDED.strangers,
           old_key = m.old_key + EXCLUDED.old_key, last_at = greatest(m.last_at, EXCLUDED.last_at)
), seen AS (
    INSERT INTO strategies_seenkey AS old (strategy_id, key, signal_code, log_code, expires_at)
    SELECT DISTINCT ON (strategy_id, key) strategy_id, key, signal, log, now() + key_seconds * interval '1 second'
      FROM judged WHERE key IS NOT NULL AND NOT is_over
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
      FROM judged JOIN seen ON seen.signal_code = judged.signal
     ORDER BY n
    RETURNING code, dispatched_at
), refused AS (
    INSERT INTO strategies_refusal (
        team_id, endpoint_id, log_code, status, message_code, sentence, field, body, content_type, headers, address,
        received_at
    )
    SELECT team_id, endpoint_id, log, CASE WHEN is_over THEN 429 ELSE status END,
           CASE WHEN is_over THEN 'too-many-requests' ELSE message_code END,
           CASE WHEN is_over THEN over_sentence ELSE sentence END,
           CASE WHEN is_over THEN '' ELSE field END, body, content_type, headers, address, received_at
      FROM judged
     WHERE CASE WHEN is_over THEN nth_over <= 20
                WHEN stranger THEN strangers <= 20
                ELSE status IS NOT NULL END
    ON CONFLICT (log_code) DO NOTHING
    RETURNING log_code
), notified AS (
    SELECT pg_notify('halyard_signals', '') FROM stored WHERE dispatched_at IS NULL LIMIT 1
)
SELECT known.n, stored.code IS NOT NULL,
       CASE WHEN judged.is_over THEN ceil(CASE
           WHEN judged.minute_load > judged.per_minute
           THEN 60 - extract(second FROM now()) + 60 * greatest(0, 1 - judged.per_minute / judged.minute_load)
           ELSE 60 END)::int END,
       refused.log_code IS NOT NULL,
       CASE WHEN NOT known.current THEN json_build_object(
           'version', known.version, 'endpoint_enabled', known.endpoint_enabled,
           'strategy_enabled', known.strategy_enabled, 'asset_class', known.asset_class,
           'allowed_tickers', known.allowed_tickers, 'repeat_window_seconds', known.repeat_window_seconds,
           'entry_stale_seconds', known.entry_stale_seconds, 'exit_stale_seconds', known.exit_stale_seconds,
           'tradingview_only', known.tradingview_only, 'allowed_addresses', known.allowed_addresses,
           'signature_required', known.signature_required, 'per_minute', known.per_minute,
           'per_hour', known.per_hour) END
  FROM known
  LEFT JOIN judged ON judged.n = known.n
  LEFT JOIN stored ON stored.code = known.signal
  LEFT JOIN refused ON refused.log_code = known.log
 WHERE (SELECT count(*) FROM notified) >= 0
"""

# Which signal a key belongs to, writing each repeat down. `own`: it is this delivery's own, stored just now, or by an
# attempt of ours whose answer was lost.
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
