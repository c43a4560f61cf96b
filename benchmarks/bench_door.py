"""Durable webhooks per second, against the same Postgres's own rate and a DRF view; and the opening bell.

    python -m benchmarks.bench_door [--seconds 3] [--rounds 3] [--bell 10000]

Everything on loopback, with a Postgres and a Valkey of its own in a folder that is thrown away. One run, one table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.drf import statement
from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database, served

TEAMS, ENDPOINTS = 50, 1000
SENDERS, BELL_SENDERS = 32, 256


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="how long each of the rounds measures each rate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bell", type=int, default=10_000, help="signals of the opening bell")
    options = parser.parse_args(argv)
    with migrated_database() as folder:
        report(measure(folder, options.seconds, options.rounds, options.bell))


def measure(folder: Path, seconds: float, rounds: int, bell_signals: int) -> dict[str, Any]:
    """All figures of one run. Statement, door and view take turns, so that a slow minute hits all three."""
    paths = make_endpoints(folder)
    figures: dict[str, Any] = {"statement": [], "door": [], "drf": [], "lost": 0, "bell_signals": bell_signals}
    with served("config.asgi:application") as url, served("benchmarks.drf.asgi:application") as drf:
        for warm in (url, drf):
            send(warm, paths, senders=SENDERS, seconds=min(seconds, 1))
        # A sender has one webhook; the first signal of a minute at one costs a second statement.
        one = paths.with_name("one.json")
        one.write_text(json.dumps(json.loads(paths.read_text())[:1]))
        figures["one"] = send(url, one, senders=1, seconds=min(seconds, 2))
        for _ in range(rounds):
            figures["statement"].append(statement.rate(folder, seconds, ENDPOINTS))
            before = stored_signals()
            figures["door"].append(send(url, paths, senders=SENDERS, seconds=seconds))
            figures["lost"] += figures["door"][-1]["statuses"].get("200", 0) - (stored_signals() - before)
            figures["drf"].append(send(drf, paths, senders=SENDERS, seconds=seconds))
        before = stored_signals()
        figures["bell"] = send(url, paths, senders=BELL_SENDERS, count=bell_signals)
        figures["bell_lost"] = bell_signals - (stored_signals() - before)
    return figures


def report(figures: dict[str, Any]) -> None:
    """The table, each figure beside its goal; rates and their ratios are the medians of the rounds."""
    bell, one, bare = figures["bell"], figures["one"], figures["statement"]
    doors, drfs = [[run["rate"] for run in figures[name]] for name in ("door", "drf")]
    door, drf = (
        sorted(figures[name], key=lambda run: run["rate"])[len(figures[name]) // 2] for name in ("door", "drf")
    )
    of_statement = median(mine / theirs for mine, theirs in zip(doors, bare, strict=True))
    over_view = median(mine / view for mine, view in zip(doors, drfs, strict=True))
    answered = bell["statuses"].get("200", 0)
    print(
        f"bare statement, {statement.CLIENTS} clients   {median(bare):8,.0f} rows/s      {statement.baseline_name()}",
        f"door, {SENDERS} senders            {door['rate']:8,.0f} durable/s   {times(door)}, lost {figures['lost']}",
        f"  of the bare statement     {of_statement:8.2f}             goal 0.80",
        f"door, 1 sender              {one['rate']:8,.0f} durable/s   {times(one)}",
        f"DRF view, {SENDERS} senders        {drf['rate']:8,.0f} durable/s   {times(drf)}",
        f"  door over DRF view        {over_view:8.1f} times       goal 10",
        f"opening bell                {bell['seconds']:8.2f} s           {times(bell)}",
        f"  {figures['bell_signals']:,} signals, {BELL_SENDERS} senders: {answered:,} answered 200,"
        f" lost {figures['bell_lost']}",
        sep="\n",
    )
    note(Figure(what="door, of the bare statement", figure=of_statement, unit="times", goal=0.8, at_least=True))
    note(Figure(what="door, of a DRF view", figure=over_view, unit="times", goal=10, at_least=True))
    note(
        Figure(what="door, one sender", figure=one["rate"], unit="/s", goal=1300, at_least=True, baseline=median(bare))
    )
    note(Figure(what="opening bell, all answered", figure=bell["seconds"], unit="s", goal=3))


def times(result: dict[str, Any]) -> str:
    return f"p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms, slowest {result['slowest']:.0f} ms"


def make_endpoints(folder: Path) -> Path:
    """Teams, strategies and webhooks; returns the file with their paths. All rows in one transaction, one version."""
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


def send(url: str, paths: Path, *, senders: int, seconds: float = 0, count: int = 0) -> dict[str, Any]:
    """What `benchmarks.load` measured, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", url, str(paths)]
    command += f"--senders {senders} --seconds {seconds} --count {count}".split()
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 120).stdout
    result: dict[str, Any] = json.loads(answer)
    return result


if __name__ == "__main__":
    main()
