"""How long a body takes to be read, against the standard library's own JSON parser.

    python -m benchmarks.bench_parsing

Processor time of one core; the bodies of the contract's accepted cases, the whole reading with its canonical form.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from time import process_time_ns
from typing import Any

from strategies.domain.message.symbols import Kind
from strategies.reading.parse import parse

ROUNDS = 60
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
    found: list[tuple[bytes, Kind, datetime]] = []
    for line in CASES.read_text().splitlines():
        case: dict[str, Any] = json.loads(line)
        context = case["context"]
        if case["expect"] == "accept" and not context.get("allowed_tickers"):
            body = case["body"].encode("utf-8", "surrogatepass")
            found.append((body, KINDS[context["asset_class"]], datetime.fromisoformat(context["now"])))
    return found


def measure() -> dict[str, float]:
    """Milliseconds a body: the median and the 99th percentile of the reading, and the median of plain JSON."""
    cases = bodies()
    reading: list[float] = []
    plain: list[float] = []
    for turn in range(ROUNDS):
        for body, kind, now in cases:
            began = process_time_ns()
            parse(body, kind=kind, now=now).message.reading()
            between = process_time_ns()
            json.loads(body.decode().strip().lstrip("\ufeff"))
            ended = process_time_ns()
            # The first rounds fill the caches.
            if turn >= ROUNDS // 10:
                reading.append((between - began) / 1e6)
                plain.append((ended - between) / 1e6)
    return {"p50": median(reading), "p99": quantiles(reading, n=100)[98], "json": median(plain), "bodies": len(cases)}


def main() -> None:
    found = measure()
    times = found["p50"] / found["json"]
    print(f"reading a body              p50 {found['p50']:.3f} ms, p99 {found['p99']:.3f} ms (goal: p99 {GOAL_MS} ms)")
    print(f"  of {found['bodies']:.0f} kinds of bodies, {times:.0f} times a plain JSON parse of {found['json']:.4f} ms")


if __name__ == "__main__":
    main()
