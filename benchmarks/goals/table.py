"""The table of a run: goal, figure, ratio to its baseline, reached or not; kept as JSON, and compared with an earlier one."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.goals.noting import Figure

ROUNDS = 2_000_000


def speed() -> float:
    """The machine's speed: million rounds a second of an empty loop on one core, the best of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(ROUNDS):
            pass
        times.append(time.perf_counter() - began)
    return ROUNDS / min(times) / 1e6


def read_notes(file: Path) -> list[Figure]:
    """The figures noted during a run."""
    return [Figure(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def as_json(figures: list[Figure], machine: float) -> dict[str, Any]:
    """A run as it is kept: `{"at", "speed", "load", "figures": [{"what", "figure", ..., "ratio", "reached"}]}`."""
    rows = [asdict(each) | {"ratio": each.ratio, "reached": each.reached} for each in figures]
    return {"at": datetime.now(UTC).isoformat(), "speed": machine, "load": os.getloadavg()[0], "figures": rows}


def lines(run: dict[str, Any], earlier: dict[str, Any] | None = None) -> list[str]:
    """The table. With an earlier run, a column says how the ratio to the baseline has changed: 1.00 is as then.

    A figure without a baseline is compared as it is, times the machine's speed then and now.
    """
    known = {row["what"]: row for row in earlier["figures"]} if earlier else {}
    head = f"{'what':56}{'figure':>14}{'goal':>14}{'of baseline':>13}{'then = 1' if earlier else '':>10}  reached"
    table = [head]
    for row in run["figures"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        sign = "≥" if row["at_least"] else "≤"
        change = _change(row, known.get(row["what"]), run, earlier) if earlier else ""
        figure, goal = f"{row['figure']:,.2f} {row['unit']}", f"{sign} {row['goal']:,g} {row['unit']}"
        table.append(
            f"{row['what']:56}{figure:>14}{goal:>14}{ratio:>13}{change:>10}  {'yes' if row['reached'] else 'NO'}"
        )
    reached = sum(row["reached"] for row in run["figures"])
    table.append(
        f"{reached} of {len(run['figures'])} reached; the machine's speed is {run['speed']:.1f} million rounds a second,"
        f" its load {run['load']:.1f}"
    )
    return table


def _change(row: dict[str, Any], then: dict[str, Any] | None, run: dict[str, Any], earlier: dict[str, Any]) -> str:
    if then is None or not then["figure"]:
        return "new"
    if row["ratio"] and then["ratio"]:
        return f"{row['ratio'] / then['ratio']:.2f}"
    quicker = run["speed"] / earlier["speed"]
    scale = 1 / quicker if row["at_least"] else quicker
    return f"{row['figure'] * (scale if _is_time(row) else 1) / then['figure']:.2f}"


def _is_time(row: dict[str, Any]) -> bool:
    """Whether a quicker machine changes the figure."""
    return row["unit"] not in {"MB", "times", "%"}
