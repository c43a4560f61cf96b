"""What a team that floods its webhook costs another: the other's way to the wire, alone and beside the flood.

    python -m benchmarks.bench_neighbour [--seconds 20] [--floods 50 300]

The whole product runs as `make run` starts it. One team sends two signals a second throughout; its way from received to
the order's POST at the (simulated) broker is measured without the flood, which is the baseline, and with it.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.bench_walk import TOKEN, percentile, to_the_wire
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside

RATE = 2.0  # signals a second of the one who is measured
SENDERS = 16
GOAL = 1.2


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds to the wire, and of them until decided, each sorted, of the one who sends little.

    `flood`: signals a second of the other one.
    """

    flood: int
    sent: int
    latencies: list[float]
    decided: list[float]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--floods", type=int, nargs="+", default=[50, 300], help="signals a second")
    options = parser.parse_args(argv)
    with running(tables=tables.named(), SIM_CONTROL_TOKEN=TOKEN, HALYARD_LOG_LEVEL="WARNING") as product:
        report(measure(product, options.seconds, options.floods))


def measure(product: Product, seconds: float, floods: Sequence[int]) -> list[Figures]:
    """The way alone, then beside each flood."""
    other = inside.run(product, "neighbour('quiet')")
    figures = []
    for flood in (0, *floods):
        post(other["url"], f"warm{flood}-0")
        to_the_end(product, other["username"], f"warm{flood}", 1)
        figures.append(beside(product, other, flood, int(seconds * RATE)))
    return figures


def beside(product: Product, other: dict[str, str], flood: int, sent: int) -> Figures:
    """Send the one team's signals while the other one floods."""
    run, stop = f"beside{flood}", threading.Event()
    flooder = threading.Thread(
        target=at_rate, args=(flood, stop, lambda n: post(product.demo["webhook_url"], f"flood{flood}-{n}"))
    )
    flooder.start()
    at_rate(RATE, threading.Event(), lambda n: post(other["url"], f"{run}-{n}"), count=sent)
    stop.set()
    flooder.join()
    left = to_the_end(product, other["username"], run, sent)
    return Figures(flood, sent, left, decided(product, run))


def at_rate(rate: float, stop: threading.Event, send: Callable[[int], None], count: int = sys.maxsize) -> None:
    """Call `send` evenly until stopped; late calls are made up for."""
    started = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        number = 0
        while rate and number < count and not stop.is_set():
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            senders.submit(send, number)
            number += 1


def post(url: str, key: str) -> None:
    body = json.dumps({"ticker": "AAPL", "action": "buy", "quantity": "1", "signalId": key})
    with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=30) as answer:
        answer.read()


def to_the_end(product: Product, username: str, run: str, sent: int) -> list[float]:
    """The ways of a run, once all of its orders have left or their time to leave is over."""
    give_up = time.monotonic() + 70
    while len(latencies := to_the_wire(product, run, username)) < sent and time.monotonic() < give_up:
        time.sleep(0.5)
    return latencies


def decided(product: Product, run: str) -> list[float]:
    """Milliseconds until the decision's transaction began, sorted."""
    rows = product.rows(
        "SELECT extract(epoch FROM d.decided_at - s.received_at) FROM strategies_decision d"
        " JOIN strategies_signal s ON s.id = d.signal_id WHERE s.key LIKE %s AND d.decided_at IS NOT NULL",
        f"id:{run}-%",
    )
    return sorted(float(seconds) * 1000 for (seconds,) in rows)


def report(figures: Sequence[Figures]) -> None:
    alone = figures[0].latencies
    for each in figures:
        p50, p95 = percentile(each.latencies, 0.5), percentile(each.latencies, 0.95)
        beside = f"beside {each.flood} signals/s of another team" if each.flood else "alone"
        print(
            f"{beside}: {len(each.latencies)} of {each.sent} orders left; p50 {p50:.1f} ms, p95 {p95:.1f} ms, "
            f"slowest {each.latencies[-1]:.0f} ms; of it until decided {percentile(each.decided, 0.5):.1f} and "
            f"{percentile(each.decided, 0.95):.1f} ms; p95 {p95 / percentile(alone, 0.95):.2f} times that alone (goal {GOAL})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
