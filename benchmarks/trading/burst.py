"""A burst of signals on many accounts, one for each: how soon the last order is on the wire, through every process.

    python -m benchmarks.trading.burst [--accounts 200] [--rounds 3]

The whole product runs as `make run` starts it, with a team of so many simulated connections, whose sessions are active and
whose contract is known. Each account follows a strategy of its own. Sixteen senders post one signal to each, at once. The
start is the moment the door received the first of them, the end is the arrival of the last order's POST at the (simulated)
broker; both clocks are this machine's. The baseline of the same run is the door alone: how long the senders took to post.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.bench_neighbour import SENDERS, post
from benchmarks.bench_walk import TOKEN, journal, moment, percentile, wait_filled
from benchmarks.goals import Figure, note
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside
from config.tests.watching import eventually

GOAL_SECONDS = 1.0
Crowd = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Burst:
    """Seconds from the first signal's receipt: when each order's POST arrived, sorted, and when the last was decided.

    `posting`: how long the senders took until all were answered.
    """

    sent: int
    arrived: list[float]
    decided: float
    posting: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    with running(tables=tables.named(), SIM_CONTROL_TOKEN=TOKEN, HALYARD_LOG_LEVEL="WARNING") as product:
        crowd = opened(product, options.accounts)
        report([burst(product, crowd, f"burst{number}") for number in range(options.rounds)])


def opened(product: Product, accounts: int) -> Crowd:
    """The accounts, once each has sent an order: the first one asks the broker for the contract."""
    crowd: Crowd = inside.run(product, f"crowd({accounts})")
    names = [each["username"] for each in crowd]
    active = "SELECT count(*) FROM brokers_connection WHERE username = ANY(%s) AND session_status = 'active'"
    if not eventually(lambda: product.rows(active, names)[0][0] == accounts, 60 + accounts):
        raise SystemExit(f"Only {product.rows(active, names)[0][0]} of {accounts} sessions are active.")
    send(product, crowd, "opening")
    return crowd


def burst(product: Product, crowd: Crowd, run: str) -> Burst:
    posting = send(product, crowd, run)
    rows = product.rows(
        "SELECT o.reference, extract(epoch FROM s.received_at), extract(epoch FROM d.decided_at) FROM brokers_order o"
        " JOIN strategies_decision d ON d.ticket_id = o.ticket_id JOIN strategies_signal s ON s.id = d.signal_id"
        " WHERE s.key LIKE %s",
        f"id:{run}-%",
    )
    began = min(float(received) for _, received, _ in rows)
    arrivals = {
        ticket["cOID"]: moment(entry["at"])
        for each in crowd
        for entry in journal(product, each["username"])
        if entry.get("method") == "POST" and entry["path"].endswith("/orders")
        for ticket in json.loads(entry["body"])["orders"]
    }
    return Burst(
        sent=len(crowd),
        arrived=sorted(arrivals[reference] - began for reference, _, _ in rows if reference in arrivals),
        decided=max(float(decided) for _, _, decided in rows) - began,
        posting=posting,
    )


def send(product: Product, crowd: Crowd, run: str) -> float:
    """One signal to each; the seconds until all are answered. Returns once all orders are filled."""
    started = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(lambda each: post(each[1]["url"], f"{run}-{each[0]}"), enumerate(crowd)))
    answered = time.monotonic() - started
    wait_filled(product, run, len(crowd), started)
    return answered


def report(bursts: Sequence[Burst]) -> None:
    for each in bursts:
        print(
            f"{each.sent} signals, one for each account: {len(each.arrived)} orders on the wire, half after"
            f" {percentile(each.arrived, 0.5):.2f} s, the last after {each.arrived[-1]:.2f} s (goal {GOAL_SECONDS:.0f});"
            f" all answered after {each.posting:.2f} s, all decided after {each.decided:.2f} s"
        )
    middle = sorted(bursts, key=lambda each: each.arrived[-1])[len(bursts) // 2]
    what = f"burst of {middle.sent} on as many accounts, on the wire"
    note(Figure(what=what, figure=middle.arrived[-1], unit="s", goal=GOAL_SECONDS, baseline=middle.posting))
    print(f"the middle one of {len(bursts)}: {middle.arrived[-1] / middle.posting:.1f} times as long as answering")


if __name__ == "__main__":
    main()
