"""What the processes wrote down, cut to one order's way: who asked what, when, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

# What runs by its own clock, whether or not somebody sends a signal. Outermost functions of ours.
BY_THE_CLOCK = frozenset(
    {
        "lanes._tidy",
        "unsent.expire_overdue",
        "cancels.ask_due",
        "closing.work",
        "agenda.waiting_connections",
        "approval.expire",
        "guards.judge_days",
        "doubt.all_in_flight",
        "tasks.tick",
        "tasks.sweep",
        "tasks.pulse",
        "tasks.refresh_needs",
        "tasks.mail_approvers",
        "tasks.close_ending",
        "tasks.tell_owners",
        "tasks.tidy",
        "sessions.stream_heard",
        "in_use.connections",
        "health.check",
        # What a nudge finds: somebody is at it already.
        "locks.is_free",
    }
)
# The steps of the walk, and what comes after it: the book read again, what open pages are told, the log of calls.
TO_THE_FILL = ("door", "drain", "lane", "stream")
PHASES = ("door", "drain", "lane", "broker", "stream", "book", "push", "log", "other")


@dataclass(frozen=True, slots=True)
class Span:
    """One statement, or one call of the broker or the browser. `began`, `ended`: seconds of the machine's clock."""

    process: str
    pid: int
    kind: str
    began: float
    ended: float
    path: tuple[str, ...]
    what: str
    backend: int = 0

    @property
    def by_the_clock(self) -> bool:
        opens_a_connection = self.what.startswith("SELECT set_config")
        return opens_a_connection or any(name in BY_THE_CLOCK for name in self.path[:4])

    @property
    def writes(self) -> bool:
        """Whether the statement changes rows."""
        word = self.what.upper()
        return word.startswith(("INSERT", "UPDATE", "DELETE")) or (
            word.startswith("WITH") and any(f"{verb} " in word for verb in ("INSERT INTO", "UPDATE", "DELETE FROM"))
        )

    @property
    def phase(self) -> str:
        """The step of the walk: by its process, and inside of one by the function that asks."""
        names = set(self.path)
        if self.what.startswith("push") or names & {"pushes._send_due", "pushes._send", "live.order_html"}:
            return "push"
        if names & {"call_log.save", "call_writer._save"}:
            return "log"
        if self.process == "uvicorn":
            return "door"
        if self.what == "POST of the order":
            return "broker"
        if self.process == "worker":
            return "drain" if names & {"drain.drain", "drain.drain_beside_lanes", "tasks.decide"} else "lane"
        if self.process == "stream":
            return "stream" if "home.bring" in names or self.kind == "call" else "book"
        return "other"


def read(folder: Path) -> list[Span]:
    """Everything that was written down, by the moment it began."""
    spans = []
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            spans.append(Span(**{**row, "path": tuple(row["path"])}))
    return sorted(spans, key=lambda span: span.began)


def between(spans: Iterable[Span], began: float, ended: float) -> list[Span]:
    """What was done in a stretch of time, without what runs by its own clock.

    A COMMIT counts with what its transaction did, and not with the function that asked for the COMMIT.
    """
    done: list[Span] = []
    of_transaction: dict[int, Span] = {}
    for span in spans:
        last = of_transaction.get(span.backend, span)
        owner = last if span.what.upper() == "COMMIT" else span
        if span.kind == "sql":
            of_transaction[span.backend] = owner
        if began <= span.began < ended and not owner.by_the_clock:
            done.append(replace(span, path=owner.path))
    return done


def to_the_fill(spans: Iterable[Span]) -> list[Span]:
    """The steps from a signal to the fill on record."""
    return [span for span in spans if span.phase in TO_THE_FILL]


def step_of(spans: Iterable[Span], phase: str) -> list[Span]:
    """One step of the walk. Of the stream the last news alone: on a full machine an order's news comes in parts."""
    step = [span for span in spans if span.phase == phase]
    news = [span for span in step if span.kind == "call"]
    return [span for span in step if not news or news[-1].began <= span.began <= news[-1].ended]


def statements(spans: Iterable[Span]) -> int:
    return sum(span.kind == "sql" for span in spans)


def writing_commits(spans: Iterable[Span]) -> int:
    """Commits behind something that was written, and statements that write and are a transaction by themselves."""
    count = 0
    written: dict[int, bool] = {}
    for span in (each for each in spans if each.kind == "sql"):
        word = span.what.upper()
        if word.startswith("BEGIN"):
            written[span.backend] = False
        elif word in {"COMMIT", "ROLLBACK"}:
            count += written.pop(span.backend, False) and word == "COMMIT"
        elif span.writes and span.backend in written:
            written[span.backend] = True
        else:
            count += span.writes
    return count


def lines(spans: list[Span], began: float) -> Iterator[str]:
    """The tree as text: steps in the order they began, their functions, their statements. Milliseconds since `began`."""
    for phase in sorted({span.phase for span in spans}, key=PHASES.index):
        step = [span for span in spans if span.phase == phase]
        first, last = step[0].began - began, max(span.ended for span in step) - began
        inside = sum(span.ended - span.began for span in step if span.kind == "sql")
        yield (
            f"{phase:<7} {first * 1000:7.1f} to {last * 1000:7.1f} ms: {statements(step)} statements,"
            f" {inside * 1000:.1f} ms in them, {writing_commits(step)} writing commits"
        )
        shown: tuple[str, ...] = ()
        for span in step:
            common = next((n for n, (a, b) in enumerate(zip(shown, span.path, strict=False)) if a != b), None)
            start = min(len(shown), len(span.path)) if common is None else common
            for depth in range(start, len(span.path)):
                yield f"{'':24}{'  ' * min(depth, 12)}{span.path[depth]}"
            shown = span.path
            at, took = (span.began - began) * 1000, (span.ended - span.began) * 1000
            yield f"  {at:8.1f} {took:7.2f} {'':4}{'  ' * min(len(span.path), 12)}{_short(span.what)}"


def _short(what: str) -> str:
    """A statement without the columns that it reads."""
    if what.startswith("SELECT") and " FROM " in what and len(what) > 120:
        what = f"SELECT … FROM {what.partition(' FROM ')[2]}"
    return (what or "(health check)")[:150]
