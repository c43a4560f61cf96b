"""The baseline of the door: its own statement with one row, as fast as Postgres takes it, and nobody notified."""

from __future__ import annotations

import json
import random
import re
import subprocess
import threading
import time
from pathlib import Path

import psycopg

from config import embedded
from config.embedded.postgres import postgres_programs

CLIENTS = 8

# A document of the statement; the names between % are made in SQL. A blank after the colon of `id: `: pgbench takes a
# colon and a letter for a variable.
DOCUMENT = """
{"n": 0, "endpoint": "%endpoint%", "read_under": "%version%", "log": "%log%", "signal": "%signal%",
 "address": "127.0.0.1", "received_at": "20261120T150000Z", "key": "id: %key%", "key_seconds": 2592000,
 "reading": {"action": "buy", "instrument": {"class": "stock", "symbol": "SPY"}, "signal_price": "447.31",
  "quantity": {"value": "10", "type": "fixed_quantity"}, "signal_id": "%key%"},
 "warnings": [], "content_type": "application/json", "headers": {"user-agent": "bench"},
 "metered": true, "leaves": false, "stranger": false, "old_key": false, "refused": false, "over": false,
 "minute": "20261120T150000Z", "taken_minute_before": 0, "taken_hour_before": 0,
 "exits_minute_before": 0, "exits_hour_before": 0,
 "ticker": "SPY", "action": "buy", "is_test": false, "set_aside": "", "note": "", "signal_time": "20261120T150000Z"}
"""
BODY = (
    '{"ticker": "SPY", "action": "buy", "quantity": "10", "price": "447.31", "interval": "5", '
    '"time": "20261120T150000Z", "signalId": "%key%"}'
)


def rate(folder: Path, seconds: float, endpoints: int) -> float:
    """Rows a second that the folder's Postgres takes from eight clients."""
    program, database = pgbench(), embedded.urls(folder).database
    if program is None:
        return rate_of_threads(database, single_row_statement(), seconds, endpoints)
    script = folder / "statement.sql"
    script.write_text(
        f"\\set e random(1, {endpoints})\n\\set k random(1, 9000000000000000000)\n{single_row_statement()};\n"
    )
    command = [str(program), *f"-n -M prepared -c {CLIENTS} -j 2 -T {max(1, round(seconds))} -f".split()]
    answer = subprocess.run([*command, str(script), database], check=False, capture_output=True, text=True)
    tps = re.search(r"tps = ([\d.]+)", answer.stdout)
    if answer.returncode or tps is None:
        raise SystemExit(f"pgbench failed: {answer.stderr}")
    return float(tps[1])


def baseline_name() -> str:
    return "pgbench, prepared, without NOTIFY" if pgbench() else "8 psycopg connections, without NOTIFY (no pgbench)"


def pgbench() -> Path | None:
    """Beside the server's programs, or Debian's."""
    candidates = [postgres_programs() / "pgbench", *sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))]
    return next((path for path in candidates if path.exists()), None)


def single_row_statement() -> str:
    """The statement with a document made in SQL from two variables, `:e` (endpoint) and `:k` (key)."""
    from django.db import connection

    from strategies.webhook.statements import STORE

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT concat(e.xmin, '.', s.xmin) FROM strategies_webhookendpoint e"
            " JOIN strategies_strategy s ON s.id = e.strategy_id LIMIT 1"
        )
        [version] = cursor.fetchone()
    document = json.dumps({**json.loads(DOCUMENT), "body": BODY}).replace("%version%", version)
    made_in_sql = {
        "%endpoint%": "lpad(to_hex(:e::bigint), 32, '0')",
        "%log%": "gen_random_uuid()",
        "%signal%": "gen_random_uuid()",
        "%key%": ":k::text",
    }
    expression = f"'[{document}]'"
    for name, value in made_in_sql.items():
        expression = expression.replace(name, f"' || {value} || '")
    return STORE.replace("pg_notify('halyard_signals', team_id::text)", "1").replace("%s", f"({expression})::json")


def rate_of_threads(database: str, statement: str, seconds: float, endpoints: int) -> float:
    """Where there is no pgbench: the same statement from as many psycopg connections, one thread each."""
    query = statement.replace("%", "%%").replace(":e::", "%(e)s::").replace(":k::", "%(k)s::")
    counts = [0] * CLIENTS
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        choice = random.Random(number)
        with psycopg.connect(database, autocommit=True) as connection:
            while time.monotonic() < until:
                values = {"e": choice.randint(1, endpoints), "k": choice.getrandbits(63)}
                connection.execute(query, values, prepare=True)
                counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
