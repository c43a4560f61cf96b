"""From the webhook to the order's POST on the wire, through every process; and a burst until all of it is filled.

    python -m benchmarks.bench_walk [--seconds 30] [--rate 20] [--burst 200] [--trace 10]

The whole product runs as `make run` starts it, in a folder that is thrown away. The start is the moment the door
received the signal, the end is the moment the order's POST arrived at the (simulated) broker; both clocks are this
machine's. The baseline of the same run is what cannot be had for less: a durable row and a bare POST of the same order.
Then as many signals with a page open: from the moment of the fill, as the broker tells it, to the row on the page's
websocket that says so.

With `--trace`, that many signals are sent one at a time to a product with a probe in every process instead, and the way
of one order is printed: each step with its statements, over all processes.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.goals import Figure, note
from benchmarks.tracing import orders
from benchmarks.trading import page
from config import embedded
from config.tests import tables
from config.tests.product import Product, running
from config.tests.watching import eventually

TOKEN = "a-token-for-this-run"
SENDERS = 16


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20, help="signals a second")
    parser.add_argument("--burst", type=int, default=200, help="signals of the burst")
    parser.add_argument("--trace", type=int, nargs="?", const=10, default=0, help="signals sent one at a time, traced")
    options = parser.parse_args(argv)
    if options.trace:
        with orders.watched(tables.named(), HALYARD_LOG_LEVEL="WARNING") as (product, folder):
            orders.report(orders.trace(product, folder, options.trace))
        return
    with running(tables=tables.named(), SIM_CONTROL_TOKEN=TOKEN, HALYARD_LOG_LEVEL="WARNING") as product:
        report(measure(product, options.seconds, options.rate, options.burst))


@dataclass(frozen=True, slots=True)
class Figures:
    """Latencies and bare posts in milliseconds, sorted; the burst in seconds."""

    rate: float
    count: int
    latencies: list[float]
    bare: list[float]
    burst: int
    burst_seconds: float
    shown: list[float]


def measure(product: Product, seconds: float, rate: float, burst: int) -> Figures:
    # The first signal asks the broker for the contract; a trader's hundredth does not.
    paced(product, "warm", 2, rate)
    count = int(seconds * rate)
    paced(product, "paced", count, rate)
    latencies, bare = to_the_wire(product, "paced"), bare_post(product)
    shown = to_the_page(product, "shown", count, rate)
    started = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(lambda number: send(product, "burst", number), range(burst)))
    burst_seconds = wait_filled(product, "burst", burst, started)
    return Figures(rate, count, latencies, bare, burst, burst_seconds, shown)


def report(figures: Figures) -> None:
    latencies = figures.latencies
    p50, p99, base = percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(figures.bare, 0.5)
    note(Figure(what="webhook to order POST, p50", figure=p50, unit="ms", goal=12, baseline=base))
    note(Figure(what="webhook to order POST, p99", figure=p99, unit="ms", goal=40, baseline=base))
    note(
        Figure(what="fill at the broker to row pushed, p50", figure=percentile(figures.shown, 0.5), unit="ms", goal=15)
    )
    note(Figure(what=f"burst of {figures.burst}, all filled", figure=figures.burst_seconds, unit="s", goal=3))
    print(
        f"webhook to order on the wire, {figures.rate:.0f} signals/s: {len(latencies)} of {figures.count} orders",
        f"  p50 {p50:.1f} ms (goal 12), p99 {p99:.1f} ms (goal 40), slowest {latencies[-1]:.0f} ms",
        f"  bare POST of an order: p50 {base:.1f} ms; the walk is {p50 / base:.1f} times that",
        f"fill at the broker to the row on an open page: {len(figures.shown)} of {figures.count} rows,"
        f" p50 {percentile(figures.shown, 0.5):.1f} ms (goal 15), p99 {percentile(figures.shown, 0.99):.1f} ms",
        f"burst of {figures.burst} signals from {SENDERS} senders: all filled after {figures.burst_seconds:.1f} s (goal 3)",
        sep="\n",
    )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def paced(product: Product, run: str, count: int, rate: float) -> None:
    """Send `count` signals evenly, then wait until they are filled."""
    started = time.monotonic()
    with ThreadPoolExecutor(8) as senders:
        for number in range(count):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            senders.submit(send, product, run, number)
    wait_filled(product, run, count, started)


def send(product: Product, run: str, number: int) -> None:
    status, answer = product.send(ticker="AAPL", action="buy", quantity=1, signalId=f"{run}-{number}")
    if status != 200:
        raise SystemExit(f"A signal was refused: {status} {answer}")


def wait_filled(product: Product, run: str, count: int, started: float) -> float:
    """Seconds from `started` until all orders of the run are filled."""
    give_up = time.monotonic() + 120
    while product.filled(f"{run}-") < count:
        if time.monotonic() > give_up:
            raise SystemExit(f"Only {product.filled(f'{run}-')} of {count} orders were filled.")
        time.sleep(0.05)
    return time.monotonic() - started


def to_the_wire(product: Product, run: str, username: str = "") -> list[float]:
    """Milliseconds from received to the arrival of the POST at the gateway, sorted. `username`: the demo's if empty."""
    arrived: dict[str, float] = {}
    for entry in journal(product, username or user(product)):
        if entry.get("method") == "POST" and entry["path"].endswith("/orders"):
            for ticket in json.loads(entry["body"])["orders"]:
                arrived.setdefault(ticket["cOID"], moment(entry["at"]))
    rows = product.rows(
        "SELECT o.reference, extract(epoch FROM s.received_at) FROM brokers_order o"
        " JOIN strategies_decision d ON d.ticket_id = o.ticket_id JOIN strategies_signal s ON s.id = d.signal_id"
        " WHERE s.key LIKE %s",
        f"id:{run}-%",
    )
    return sorted((arrived[reference] - float(received)) * 1000 for reference, received in rows if reference in arrived)


def to_the_page(product: Product, run: str, count: int, rate: float) -> list[float]:
    """Milliseconds from the fill, by the broker's clock, to its row on the websocket of an open page, sorted."""
    with page.watched(product.url, product.demo, row=page.FILLED) as came:
        paced(product, run, count, rate)
        eventually(lambda: len(came) >= count, 10)
    fills = product.rows(
        "SELECT o.code, extract(epoch FROM max(e.executed_at)) FROM brokers_execution e"
        " JOIN brokers_order o ON o.id = e.order_id JOIN strategies_decision d ON d.ticket_id = o.ticket_id"
        " JOIN strategies_signal s ON s.id = d.signal_id WHERE s.key LIKE %s GROUP BY o.code",
        f"id:{run}-%",
    )
    return sorted((came[str(code)] - float(at)) * 1000 for code, at in fills if str(code) in came)


def moment(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(value).timestamp()


def user(product: Product) -> str:
    return str(product.rows("SELECT username FROM brokers_connection ORDER BY id LIMIT 1")[0][0])


def journal(product: Product, username: str) -> list[dict[str, Any]]:
    url = f"{embedded.read_run(product.folder)['gateway_url']}/sim/v1/{username}/journal"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        entries: list[dict[str, Any]] = json.load(answer)
    return entries


def bare_post(product: Product) -> list[float]:
    """Milliseconds of an order's POST sent by hand, one after the other, sorted."""
    base = f"{embedded.read_run(product.folder)['gateway_url']}/u/{user(product)}/v1/api"
    account = product.demo["account_id"]
    milliseconds = []
    for number in range(50):
        ticket = {
            "acctId": account,
            "conid": 265598,
            "orderType": "MKT",
            "side": "BUY",
            "tif": "DAY",
            "quantity": 1,
            "cOID": f"bare-{time.time_ns()}-{number}",
        }
        body = json.dumps({"orders": [ticket]}).encode()
        request = urllib.request.Request(
            f"{base}/iserver/account/{account}/orders", body, {"Content-Type": "application/json"}
        )
        started = time.perf_counter()
        urllib.request.urlopen(request, timeout=10).read()
        milliseconds.append((time.perf_counter() - started) * 1000)
    return sorted(milliseconds)


if __name__ == "__main__":
    main()
