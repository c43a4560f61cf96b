"""Durable webhooks per second, against the same Postgres's own rate and a DRF view; and the opening bell.

    python -m benchmarks.bench_door [--seconds 3]

Everything on loopback, with a Postgres and a Valkey of its own in a folder that is thrown away. One run, one table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from config import embedded
from config.embedded.postgres import postgres_programs

TEAMS, ENDPOINTS = 50, 1000
BASELINE_CLIENTS, SENDERS, BELL_SENDERS, BELL_SIGNALS = 8, 32, 256, 10_000
# As the Procfile starts it.
ROUNDS = 3
UVICORN = (
    "--loop",
    "uvloop",
    "--http",
    "httptools",
    "--backlog",
    "2048",
    "--no-proxy-headers",
    "--no-access-log",
    "--no-server-header",
    "--log-level",
    "warning",
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="how long each of the rounds measures each rate")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="halyard-bench-") as name:
        folder = Path(name)
        with embedded.start(folder):
            os.environ |= {
                "HALYARD_DATA": str(folder),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "HALYARD_SELF_CONTAINED": "on",
                "HALYARD_LOG_LEVEL": "WARNING",
            }
            report(measure(folder, given.seconds))


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """All figures of one run. Statement, door and view take turns, so that a slow minute hits all three."""
    paths = make_endpoints(folder)
    found: dict[str, Any] = {"statement": [], "door": [], "drf": []}
    with served("config.asgi:application", folder) as url, served("benchmarks.drf_asgi:application", folder) as drf:
        for warm in (url, drf):
            send(warm, paths, senders=SENDERS, seconds=1)
        found["one"] = send(url, paths, senders=1, seconds=min(seconds, 2))
        found["lost"] = 0
        for _ in range(ROUNDS):
            found["statement"].append(statement_rate(folder, seconds))
            before = stored_signals()
            found["door"].append(send(url, paths, senders=SENDERS, seconds=seconds))
            found["lost"] += found["door"][-1]["statuses"].get("200", 0) - (stored_signals() - before)
            found["drf"].append(send(drf, paths, senders=SENDERS, seconds=seconds))
        before = stored_signals()
        found["bell"] = send(url, paths, senders=BELL_SENDERS, count=BELL_SIGNALS)
        found["bell_lost"] = BELL_SIGNALS - (stored_signals() - before)
    return found


def report(found: dict[str, Any]) -> None:
    """The table, each figure beside its goal; rates and their ratios are the medians of the rounds."""
    bell, one = found["bell"], found["one"]
    doors, drfs = [[run["rate"] for run in found[name]] for name in ("door", "drf")]
    door, drf = (sorted(found[name], key=lambda run: run["rate"])[ROUNDS // 2] for name in ("door", "drf"))
    of_statement = median(mine / bare for mine, bare in zip(doors, found["statement"], strict=True))
    over_view = median(mine / view for mine, view in zip(doors, drfs, strict=True))
    print(
        f"bare statement, {BASELINE_CLIENTS} clients   {median(found['statement']):8,.0f} rows/s      {baseline_name()}"
    )
    print(f"door, {SENDERS} senders            {door['rate']:8,.0f} durable/s   {times(door)}, lost {found['lost']}")
    print(f"  of the bare statement     {of_statement:8.2f}             goal 0.80")
    print(f"door, 1 sender              {one['rate']:8,.0f} durable/s   {times(one)}")
    print(f"DRF view, {SENDERS} senders        {drf['rate']:8,.0f} durable/s   {times(drf)}")
    print(f"  door over DRF view        {over_view:8.1f} times       goal 10")
    print(f"opening bell                {bell['seconds']:8.2f} s           {times(bell)}")
    answered = bell["statuses"].get("200", 0)
    print(f"  {BELL_SIGNALS:,} signals, {BELL_SENDERS} senders: {answered:,} answered 200, lost {found['bell_lost']}")


def times(result: dict[str, Any]) -> str:
    return f"p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms, slowest {result['slowest']:.0f} ms"


def make_endpoints(folder: Path) -> Path:
    """Teams, strategies and webhooks; returns the file with their paths. All rows in one transaction, one version."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"], check=True)
    import django

    django.setup()
    from django.db import transaction

    from accounts.models import Team
    from strategies.models import Strategy, WebhookEndpoint
    from strategies.webhook.passwords import password_for

    with transaction.atomic():
        teams = Team.objects.bulk_create([Team(name=f"Team {n}") for n in range(TEAMS)])
        strategies = Strategy.objects.bulk_create(
            [
                Strategy(team=teams[n % TEAMS], name=f"Strategy {n}", per_minute=10**9, per_hour=10**9)
                for n in range(ENDPOINTS)
            ]
        )
        endpoints = WebhookEndpoint.objects.bulk_create(
            [
                WebhookEndpoint(team=strategy.team, strategy=strategy, code=endpoint_code(n))
                for n, strategy in enumerate(strategies, 1)
            ]
        )
    file = folder / "paths.json"
    file.write_text(
        json.dumps([f"/trading/webhook/{endpoint.code}/{password_for(endpoint.code)}" for endpoint in endpoints])
    )
    return file


def endpoint_code(n: int) -> uuid.UUID:
    """What `lpad(to_hex(n), 32, '0')::uuid` is in SQL."""
    return uuid.UUID(int=n)


def stored_signals() -> int:
    from strategies.models import Signal

    return Signal.objects.count()


def pgbench() -> Path | None:
    """Beside the server's programs, or Debian's."""
    candidates = [postgres_programs() / "pgbench", *sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))]
    return next((path for path in candidates if path.exists()), None)


def baseline_name() -> str:
    return "pgbench, prepared, without NOTIFY" if pgbench() else "8 psycopg connections, without NOTIFY (no pgbench)"


def statement_rate(folder: Path, seconds: float) -> float:
    """The door's own statement with one row, as fast as Postgres takes it from eight clients, and nobody notified."""
    program = pgbench()
    if program is None:
        from benchmarks.statement_loop import rate

        return rate(embedded.urls(folder).database, single_row_statement(":"), BASELINE_CLIENTS, seconds, ENDPOINTS)
    script = folder / "statement.sql"
    script.write_text(
        f"\\set e random(1, {ENDPOINTS})\n\\set k random(1, 9000000000000000000)\n" + single_row_statement(":") + ";\n"
    )
    command = [
        str(program),
        "-n",
        "-M",
        "prepared",
        "-f",
        str(script),
        "-c",
        str(BASELINE_CLIENTS),
        "-j",
        "2",
        "-T",
        str(max(1, round(seconds))),
        embedded.urls(folder).database,
    ]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    tps = re.search(r"tps = ([\d.]+)", answer.stdout)
    if answer.returncode or tps is None:
        raise SystemExit(f"pgbench failed: {answer.stderr}")
    return float(tps[1])


def single_row_statement(mark: str) -> str:
    """The statement with a document made in SQL from two variables, `e` (endpoint) and `k` (key)."""
    from django.db import connection

    from strategies.webhook.statements import STORE

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT concat(e.xmin, '.', s.xmin) FROM strategies_webhookendpoint e"
            " JOIN strategies_strategy s ON s.id = e.strategy_id LIMIT 1"
        )
        row = cursor.fetchone()
    # A blank after each colon: pgbench takes a colon and a letter for a variable.
    document = json.dumps(
        {
            "n": 0,
            "endpoint": "%endpoint%",
            "read_under": row[0],
            "log": "%log%",
            "signal": "%signal%",
            "address": "127.0.0.1",
            "received_at": "20261120T150000Z",
            "key": "id: %key%",
            "key_seconds": 2592000,
            "body": '{"ticker": "SPY", "action": "buy", "quantity": "10", "price": "447.31", "interval": "5", '
            '"time": "20261120T150000Z", "signalId": "%key%"}',
            "reading": {
                "action": "buy",
                "instrument": {"class": "stock", "symbol": "SPY"},
                "signal_price": "447.31",
                "quantity": {"value": "10", "type": "fixed_quantity"},
                "signal_id": "%key%",
            },
            "warnings": [],
            "content_type": "application/json",
            "headers": {"user-agent": "bench"},
            "metered": True,
            "leaves": False,
            "stranger": False,
            "old_key": False,
            "refused": False,
            "over": False,
            "minute": "20261120T150000Z",
            "taken_minute_before": 0,
            "taken_hour_before": 0,
            "exits_minute_before": 0,
            "exits_hour_before": 0,
            "ticker": "SPY",
            "action": "buy",
            "is_test": False,
            "set_aside": "",
            "note": "",
            "signal_time": "20261120T150000Z",
        }
    )
    values = {
        "%endpoint%": f"lpad(to_hex({mark}e::bigint), 32, '0')",
        "%log%": "gen_random_uuid()",
        "%signal%": "gen_random_uuid()",
        "%key%": f"{mark}k::text",
    }
    expression = "'[" + document + "]'"
    for name, value in values.items():
        expression = expression.replace(name, f"' || {value} || '")
    return STORE.replace("pg_notify('halyard_signals', '')", "1").replace("%s", f"({expression})::json")


@contextlib.contextmanager
def served(application: str, folder: Path) -> Iterator[str]:
    """A uvicorn of one process, as `make run` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port), *UVICORN]
    process = subprocess.Popen(command, env={**os.environ, "HALYARD_DATA": str(folder)})
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def send(url: str, paths: Path, *, senders: int, seconds: float = 0, count: int = 0) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.load",
        url,
        str(paths),
        "--senders",
        str(senders),
        "--seconds",
        str(seconds),
        "--count",
        str(count),
    ]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 120).stdout
    result: dict[str, Any] = json.loads(answer)
    return result


if __name__ == "__main__":
    main()
