"""Whether memory and latency stay where they are while signals come without end.

    python -m benchmarks.bench_memory [--minutes 2] [--rate 10]      # --minutes 60: an hour of it

The product runs as `make run` starts it; so many signals a second are posted, which open and close a position in each of
five tickers of one account in turn, and their orders fill at the simulator. What closes a position waits until the order
that opens it has filled: in a single ticker ten a second are more than can be traded one after the other. Thirty times a
run each process is weighed (PSS), and the median of the moments from received to filled is taken of what came since the
last time. Told is, for each process, for all of them together and for the latency, the middle of the first third after a
warm-up of a fifth, the middle of the last third, and the slope between as a share of an hour; the goal is 5 % at the most.
What one process gains because another has stopped sharing a page with it is in its own row, and together once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.goals import Figure, note
from benchmarks.trading import weight
from config.tests import tables
from config.tests.product import Product, running

SAMPLES = 30
MOST = 0.05
TICKERS = ("AAPL", "MSFT", "NVDA", "AMZN", "TSLA")
Sample = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--rate", type=float, default=10, help="signals a second")
    options = parser.parse_args(argv)
    with running(tables=tables.named(), HALYARD_LOG_LEVEL="WARNING") as product:
        samples = soak(product, options.minutes * 60, options.rate)
    report(samples, options.minutes * 60, options.rate)


def soak(product: Product, seconds: float, rate: float) -> list[Sample]:
    """Post for so many seconds; what was weighed and measured meanwhile."""
    samples: list[Sample] = []
    began = time.monotonic()
    seen = 0.0
    with ThreadPoolExecutor(8) as senders:
        for number in range(int(seconds * rate)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            senders.submit(trade, product, number)
            if time.monotonic() - began >= seconds * (len(samples) + 1) / SAMPLES:
                latency, seen = latency_since(product, seen)
                weighed = weight.pss(product.folder)
                samples.append({**weighed, "together": sum(weighed.values()), "latency": latency})
    return samples


def trade(product: Product, number: int) -> None:
    """Open and close a position in turn: one that grew without end would use up the account."""
    more = {"action": "exit"} if number % 2 else {"action": "buy", "quantity": 1}
    ticker = TICKERS[number // 2 % len(TICKERS)]
    status, answer = product.send(ticker=ticker, signalId=f"soak-{number}", **more)
    if status != 200:
        raise SystemExit(f"A signal was refused: {status} {answer}")


def latency_since(product: Product, seen: float) -> tuple[float, float]:
    """The median of milliseconds from received to filled of the signals after this number, and the last of them."""
    rows = product.rows(
        "SELECT s.id, extract(epoch FROM o.filled_at - s.received_at) * 1000 FROM brokers_order o"
        " JOIN strategies_decision d ON d.ticket_id = o.ticket_id JOIN strategies_signal s ON s.id = d.signal_id"
        " WHERE s.id > %s AND o.status = 'filled'",
        seen,
    )
    return (statistics.median(float(row[1]) for row in rows), max(row[0] for row in rows)) if rows else (0.0, seen)


def report(samples: list[Sample], seconds: float, rate: float) -> None:
    kept = samples[len(samples) // 5 :]
    if len(kept) < 3:
        raise SystemExit("Too short a run to tell anything.")
    grown = {name: growth([each.get(name, 0.0) for each in kept]) for name in kept[0]}
    if not grown["latency"][1]:
        raise SystemExit("No order filled at the end, which tells nothing of a busy product.")
    for name, (first, last) in sorted(grown.items()):
        unit = "ms" if name == "latency" else "MB"
        each_second = (last - first) / (seconds * 0.8 * 2 / 3)
        print(
            f"  {name:<12} {first:7.1f} -> {last:7.1f} {unit} ({last / max(first, 0.1) - 1:+.1%};"
            f" {each_second * 3600:+.1f} {unit} an hour, {each_second / rate * 1000:+.2f} {unit} each 1,000 orders)"
        )
    worst = max((last / max(first, 0.1) - 1, name) for name, (first, last) in grown.items())
    note(Figure(what=f"largest growth ({worst[1]})", figure=worst[0] * 100, unit="%", goal=MOST * 100))
    reached = "reached" if worst[0] <= MOST else "not reached"
    print(f"largest growth: {worst[1]} {worst[0]:+.1%} (goal {MOST:.0%} at the most: {reached})")


def growth(values: list[float]) -> tuple[float, float]:
    """The middle of the first third and of the last."""
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


if __name__ == "__main__":
    main()
