"""Signals sent one at a time to a product that is watched, and what each of their orders took."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tracing import probe, tree
from config.tests.product import Product, running

# Long enough for the book that is read after a fill, and for the pushes of all of it.
QUIET_SECONDS = 0.6
# Signals before the first that counts: contracts are asked for once, and statements prepared at their third time.
WARM = 6


@dataclass(frozen=True, slots=True)
class Traced:
    """One order: when its signal was sent (seconds of the machine's clock), and all that was done for it."""

    key: str
    began: float
    spans: list[tree.Span]

    @property
    def posted(self) -> float:
        """Milliseconds from sending the signal to sending the order."""
        at = next((span.began for span in self.spans if span.phase == "broker"), self.began)
        return (at - self.began) * 1000


@contextlib.contextmanager
def watched(tables: Path | None, **variables: Any) -> Iterator[tuple[Product, Path]]:
    """The running product with a probe in every process, and the folder in which the probes write."""
    with tempfile.TemporaryDirectory(prefix="halyard-trace-") as name:
        settings: dict[str, Any] = {"DJANGO_SETTINGS_MODULE": "benchmarks.tracing.settings", probe.FOLDER: name}
        with running(tables=tables, **settings, **variables) as product:
            yield product, Path(name)


def trace(product: Product, folder: Path, count: int, *, run: str = "trace", warm: int = WARM) -> list[Traced]:
    """Send signals one at a time, each when the one before it is filled and the product is quiet again.

    The first `warm` of them are not returned; `run` is a word of its own for each call of one product.
    """
    moments = []
    for number in range(warm + count):
        key, began = f"{run}-{number}.", time.time()
        status, answer = product.send(signalId=key, ticker="AAPL", action="buy", quantity=1)
        if status != 200:
            raise SystemExit(f"A signal was refused: {status} {answer}")
        give_up = time.monotonic() + 60
        while not product.filled(key):
            if time.monotonic() > give_up:
                raise SystemExit(f"The order of {key} was not filled.")
            time.sleep(0.02)
        time.sleep(QUIET_SECONDS)
        moments.append((key, began, time.time()))
    spans = tree.read(folder)
    return [Traced(key, began, tree.between(spans, began, ended)) for key, began, ended in moments[warm:]]


def report(orders: list[Traced]) -> None:
    """Print what the orders took, and the tree of the one in the middle."""
    counts = sorted(tree.statements(tree.to_the_fill(order.spans)) for order in orders)
    commits = sorted(tree.writing_commits(tree.to_the_fill(order.spans)) for order in orders)
    middle = sorted(orders, key=lambda order: order.posted)[len(orders) // 2]
    print(
        f"one at a time, {len(orders)} orders, with a probe in every process:",
        f"  statements from signal to fill: least {counts[0]}, median {counts[len(counts) // 2]}",
        f"  writing commits: least {commits[0]}, median {commits[len(commits) // 2]}",
        f"  signal to POST: median {middle.posted:.1f} ms; that order's way:",
        *tree.lines(middle.spans, middle.began),
        sep="\n",
    )
