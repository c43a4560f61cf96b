"""How long a body takes to be read, against the standard library's own JSON parser.

    python -m benchmarks.bench_parsing [--rounds 60]

Processor time of one core; the bodies of the contract's accepted cases, the whole reading with its canonical form.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from time import process_time_ns
from typing import Any

from benchmarks.goals import Figure, note
from strategies.domain.message.symbols import Kind
from strategies.reading.parse import parse

GOAL_MS = 1.0
CASES = Path(__file__).resolve().parents[1] / "strategies" / "tests" / "reading" / "payloads" / "webhook_cases.jsonl"
KINDS = {
    "stocks": Kind.STOCK,
    "futures": Kind.FUTURE,
    "options": Kind.OPTION,
    "crypto": Kind.CRYPTO,
    "forex": Kind.FOREX,
}


def bodies() -> list[tuple[bytes, Kind, datetime]]:
    """The bodies a sender may send, with the class and the moment they were written for."""
    accepted: list[tuple[bytes, Kind, datetime]] = []
    for line in CASES.read_text().splitlines():
        case: dict[str, Any] = json.loads(line)
        context = case["context"]
        if case["expect"] == "accept" and not context.get("allowed_tickers"):
            body = case["body"].encode("utf-8", "surrogatepass")
            accepted.append((body, KINDS[context["asset_class"]], datetime.fromisoformat(context["now"])))
    return accepted


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds a body: the median and the 99th percentile of the reading, and the median of plain JSON."""
    cases = bodies()
    reading: list[float] = []
    plain: list[float] = []
    for turn in range(rounds):
        for body, kind, now in cases:
            began = process_time_ns()
            parse(body, kind=kind, now=now).message.reading()
            between = process_time_ns()
            json.loads(body.decode().strip().lstrip("\ufeff"))
            ended = process_time_ns()
            # The first rounds fill the caches.
            if turn >= rounds // 10:
                reading.append((between - began) / 1e6)
                plain.append((ended - between) / 1e6)
    return {"p50": median(reading), "p99": quantiles(reading, n=100)[98], "json": median(plain), "bodies": len(cases)}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    figures = measure(parser.parse_args(argv).rounds)
    times = figures["p50"] / figures["json"]
    note(Figure(what="reading a body, p99", figure=figures["p99"], unit="ms", goal=GOAL_MS, baseline=figures["json"]))
    print(
        f"reading a body              p50 {figures['p50']:.3f} ms, p99 {figures['p99']:.3f} ms (goal: p99 {GOAL_MS} ms)"
    )
    print(
        f"  of {figures['bodies']:.0f} kinds of bodies, {times:.0f} times a plain JSON parse of {figures['json']:.4f} ms"
    )


if __name__ == "__main__":
    main()
