"""What a team that floods its webhook costs another: each part of the other's way, alone and beside the flood.

    python -m benchmarks.bench_neighbour [--seconds 20] [--floods 50 300] [--restart 5000]

The whole product runs as `make run` starts it, and a page of each team is open. One team sends two signals a second
throughout; its way is measured without the flood, which is the baseline, and with it: at the door (its answer), in the
drain (received until decided), in the lane (decided until the order's POST arrives at the simulated broker), on its page
(decided until the order's row comes over the websocket), and to the wire as a whole. A flood lasts as long as it is
measured, and what it leaves behind is waited for before the next. With `--restart` one team sends so many signals as fast
as it can, web, worker, stream and gateway are killed, and once all are ready again the other team sends one: how long it
takes to the wire.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import redis

from benchmarks.bench_walk import TOKEN, journal, moment, percentile, to_the_wire
from benchmarks.goals import Figure, note
from benchmarks.trading.page import watched
from config import embedded
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside

RATE = 2.0  # signals a second of the one who is measured
SENDERS = 16
GOAL = 1.2
GOAL_AFTER_A_RESTART = 2000.0  # ms
PARTS = ("door", "drain", "lane", "page", "to the wire")
# How long a flood's leftovers may take before the next one: an entry that could not leave by then expires.
LEFTOVERS_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Sorted milliseconds of each part of the way of the one who sends little. `flood`: the other one's signals a second."""

    flood: int
    sent: int
    parts: dict[str, list[float]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--floods", type=int, nargs="*", default=[50, 300], help="signals a second")
    parser.add_argument(
        "--restart", type=int, default=5_000, metavar="SIGNALS", help="of the flood before a kill; 0: none"
    )
    options = parser.parse_args(argv)
    with running(tables=tables.named(), SIM_CONTROL_TOKEN=TOKEN, HALYARD_LOG_LEVEL="WARNING") as product:
        if options.floods:
            report(measure(product, options.seconds, options.floods))
        if options.restart:
            after_a_restart(product, options.restart)


def measure(product: Product, seconds: float, floods: Sequence[int]) -> list[Figures]:
    """The way alone, then beside each flood."""
    other = inside.run(product, "neighbour('quiet')")
    figures = []
    with watched(product.url, other, product.demo) as came:
        for flood in (0, *floods):
            post(other["url"], f"warm{flood}-0")
            to_the_end(product, other["username"], f"warm{flood}", 1)
            figures.append(beside(product, other, flood, int(seconds * RATE), came))
            settled(product)
    return figures


def beside(product: Product, other: Mapping[str, str], flood: int, sent: int, came: Mapping[str, float]) -> Figures:
    """Send the one team's signals while the other one floods."""
    run, stop, answered = f"beside{flood}", threading.Event(), list[float]()
    flooder = threading.Thread(
        target=at_rate, args=(flood, stop, lambda n: post(product.demo["webhook_url"], f"flood{flood}-{n}"))
    )
    flooder.start()
    at_rate(RATE, threading.Event(), lambda n: answered.append(post(other["url"], f"{run}-{n}")), count=sent)
    stop.set()
    flooder.join()
    wire = to_the_end(product, other["username"], run, sent)
    return Figures(flood, sent, {"door": sorted(answered), **parts_of(product, other, run, came), "to the wire": wire})


def after_a_restart(product: Product, count: int) -> None:
    """Kill every process of ours behind a flood, and send one signal of another team as soon as all are ready again."""
    other = inside.run(product, "neighbour('afterwards')")
    post(other["url"], "warm-up-0")
    to_the_end(product, other["username"], "warm-up", 1)
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(lambda n: post(product.demo["webhook_url"], f"before-{n}"), range(count)))
    for name in ("worker", "web", "stream", "gateway"):
        product.kill(name)
    killed = time.monotonic()
    # Signs of life of before the kill are fresh for a while: ready would not wait for the worker and the stream.
    redis.Redis.from_url(embedded.urls(product.folder).redis).delete("halyard:pulse:worker", "halyard:pulse:stream")
    while time.monotonic() < killed + 1 or not product.ready():
        time.sleep(0.05)
    ready = time.monotonic() - killed
    waiting = "SELECT count(*) FROM strategies_signal WHERE dispatched_at IS NULL"
    behind = product.rows(waiting)[0][0]
    answered = post(other["url"], "afterwards-0")
    (wire,) = to_the_end(product, other["username"], "afterwards", 1) or [math.inf]
    parts = {"door": [answered], **parts_of(product, other, "afterwards", {})}
    print(
        f"after {count} signals of another team and a kill of every process: ready in {ready:.1f} s, {behind} still waiting;"
        f" a new signal to the wire in {wire:.0f} ms (goal {GOAL_AFTER_A_RESTART:.0f}):"
        + ",".join(f" {name} {times[0]:.0f}" for name, times in parts.items() if times)
    )
    note(Figure(what="after a flood and a kill, to the wire", figure=wire, unit="ms", goal=GOAL_AFTER_A_RESTART))


def at_rate(rate: float, stop: threading.Event, send: Callable[[int], object], count: int = sys.maxsize) -> None:
    """Call `send` evenly until stopped; late calls are made up for."""
    started = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        number = 0
        while rate and number < count and not stop.is_set():
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            senders.submit(send, number)
            number += 1


def post(url: str, key: str) -> float:
    """Milliseconds until the answer."""
    body = json.dumps({"ticker": "AAPL", "action": "buy", "quantity": "1", "signalId": key})
    started = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - started) * 1000


def to_the_end(product: Product, username: str, run: str, sent: int) -> list[float]:
    """The ways of a run, once all of its orders have left or their time to leave is over."""
    give_up = time.monotonic() + 70
    while len(latencies := to_the_wire(product, run, username)) < sent and time.monotonic() < give_up:
        time.sleep(0.5)
    return latencies


def settled(product: Product) -> None:
    """Wait until nothing of a flood waits any more."""
    give_up = time.monotonic() + LEFTOVERS_SECONDS
    waiting = (
        "SELECT (SELECT count(*) FROM strategies_signal WHERE dispatched_at IS NULL)"
        " + (SELECT count(*) FROM brokers_order WHERE status IN ('created', 'submitted', 'accepted'))"
    )
    while product.rows(waiting)[0][0] and time.monotonic() < give_up:
        time.sleep(0.5)


def parts_of(product: Product, other: Mapping[str, str], run: str, came: Mapping[str, float]) -> dict[str, list[float]]:
    """Milliseconds in the drain, in the lane and until the page, each sorted."""
    arrived: dict[str, float] = {}
    for entry in journal(product, other["username"]):
        if entry.get("method") == "POST" and entry["path"].endswith("/orders"):
            for ticket in json.loads(entry["body"])["orders"]:
                arrived.setdefault(ticket["cOID"], moment(entry["at"]))
    rows = product.rows(
        "SELECT o.reference, o.code::text, extract(epoch FROM s.received_at), extract(epoch FROM d.decided_at)"
        " FROM strategies_decision d JOIN strategies_signal s ON s.id = d.signal_id"
        " LEFT JOIN brokers_order o ON o.ticket_id = d.ticket_id WHERE s.key LIKE %s AND d.decided_at IS NOT NULL",
        f"id:{run}-%",
    )
    drain = [float(decided) - float(received) for _, _, received, decided in rows]
    lane = [arrived[reference] - float(decided) for reference, _, _, decided in rows if reference in arrived]
    page = [came[code] - float(decided) for _, code, _, decided in rows if code in came]
    return {
        name: sorted(each * 1000 for each in part) for name, part in (("drain", drain), ("lane", lane), ("page", page))
    }


def report(figures: Sequence[Figures]) -> None:
    for each in figures:
        beside = f"beside {each.flood} signals/s of another team" if each.flood else "alone"
        print(f"{beside}: {len(each.parts['to the wire'])} of {each.sent} orders left")
        for name in PARTS:
            print(f"  {name:12}{_told(each.parts[name], figures[0].parts[name])}")
    for name in (part for part in PARTS if figures[0].parts[part] and figures[-1].parts[part]):
        alone, flooded = (percentile(each.parts[name], 0.95) for each in (figures[0], figures[-1]))
        goal = GOAL * alone
        note(Figure(what=f"beside a flood, {name}, p95", figure=flooded, unit="ms", goal=goal, baseline=alone))
    print(f"goal: no p95 beyond {GOAL} times that alone")


def _told(times: Sequence[float], alone: Sequence[float]) -> str:
    if not times or not alone:
        return "nothing came"
    ordered, base = list(times), list(alone)
    p50, p95 = percentile(ordered, 0.5), percentile(ordered, 0.95)
    return (
        f"p50 {p50:7.1f} ms, {p50 / percentile(base, 0.5):5.2f} times that alone;"
        f" p95 {p95:7.1f} ms, {p95 / percentile(base, 0.95):5.2f} times; slowest {ordered[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
