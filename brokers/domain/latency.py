"""What the log of calls comes to: how long calls take, our own share of it, and how many go wrong in which way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log10

from brokers.domain.calls import CallOutcome

# What a service that sends many orders to IBKR publishes as the average of its calls; its range is 229 to 252 ms.
IBKR_AVERAGE_MS = 252.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One call of the log, times in milliseconds. Only a call that was answered says how long an answer takes."""

    at: datetime
    method: str
    endpoint: str
    outcome: CallOutcome
    took_ms: float
    own_ms: float
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The times of some calls in milliseconds; None where none of them was answered."""

    calls: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    # Halyard's part of a call, by itself: waiting for its turn and reading the answer.
    own_p50: float | None
    own_p99: float | None
    # The rest, by itself: the network, the gateway and IBKR.
    rest_p50: float | None
    rest_p99: float | None
    # Halyard's part of all the time that was spent.
    own_share: float | None

    @property
    def error_share(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def rest_share(self) -> float | None:
        """The part of the network, the gateway and IBKR of all the time that was spent."""
        return None if self.own_share is None else 1 - self.own_share

    @property
    def own_percent(self) -> str:
        """How long Halyard's part is drawn, of a hundred; one that is there is seen."""
        return f"{max(0.5, 100 * self.own_share):.1f}" if self.own_share else "0"

    @property
    def against_ibkr(self) -> float | None:
        """The median of IBKR's part as a multiple of IBKR's average."""
        return None if self.rest_p50 is None else self.rest_p50 / IBKR_AVERAGE_MS


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of the ordered values do not exceed; None of no values."""
    if not ordered:
        return None
    rank = -int(-(len(ordered) * share) // 1)
    return ordered[min(len(ordered), max(1, rank)) - 1]


def latency(samples: Iterable[Sample]) -> Latency:
    """The figures of these calls."""
    every = list(samples)
    answered = [sample for sample in every if sample.answered]
    took, own = sorted(sample.took_ms for sample in answered), sorted(sample.own_ms for sample in answered)
    rest = sorted(max(0.0, sample.took_ms - sample.own_ms) for sample in answered)
    total = sum(took)
    return Latency(
        calls=len(every),
        errors=sum(1 for sample in every if sample.outcome != CallOutcome.ANSWERED),
        p50=percentile(took, 0.5),
        p95=percentile(took, 0.95),
        p99=percentile(took, 0.99),
        own_p50=percentile(own, 0.5),
        own_p99=percentile(own, 0.99),
        rest_p50=percentile(rest, 0.5),
        rest_p99=percentile(rest, 0.99),
        own_share=sum(own) / total if total else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A logarithmic scale of milliseconds: as long a way from 1 to 10 as from 100 to 1000, so that neither a slow call
    nor a quick one is lost."""

    low: float
    high: float

    def place(self, ms: float | None) -> float:
        """Where a time stands, in percent of the scale's length."""
        if not ms or ms <= self.low:
            return 0.0
        return min(100.0, 100 * log10(ms / self.low) / log10(self.high / self.low))


# 1, 2 and 5 of each power of ten from 0.1 ms to over an hour.
_ROUND = tuple(float(f"{step}e{power}") for power in range(-1, 7) for step in (1, 2, 5))


def scale_of(kinds: Iterable[tuple[str, str, Latency]]) -> Scale:
    """From the round time below the quickest call to the one above the slowest, IBKR's average among them."""
    figures = [each for _, _, row in kinds for each in (row.p50, row.p99) if each]
    low, high = min([*figures, IBKR_AVERAGE_MS]), max([*figures, IBKR_AVERAGE_MS])
    below = [each for each in _ROUND if each <= low] or _ROUND
    above = [each for each in _ROUND if each >= high] or _ROUND[-1:]
    return Scale(low=below[-1] if low >= _ROUND[0] else _ROUND[0], high=above[0])


def by_call(samples: Iterable[Sample]) -> list[tuple[str, str, Latency]]:
    """Method, endpoint and figures of each kind of call, the most frequent first."""
    kinds: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        kinds[sample.method, sample.endpoint].append(sample)
    rows = [(method, endpoint, latency(each)) for (method, endpoint), each in kinds.items()]
    return sorted(rows, key=lambda row: (-row[2].calls, row[1], row[0]))


def by_error(samples: Iterable[Sample]) -> list[tuple[CallOutcome, int]]:
    """How many calls went wrong in each way, the most frequent first."""
    counts = Counter(sample.outcome for sample in samples if sample.outcome != CallOutcome.ANSWERED)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The times of the calls in one piece of the time."""

    at: datetime
    p50: float
    p95: float
    p99: float


def curve(samples: Iterable[Sample], since: datetime, until: datetime, pieces: int = 48) -> list[Point]:
    """The times over time, in pieces of equal length; a piece without an answer has no point."""
    width = (until - since) / pieces
    if width <= timedelta(0):
        return []
    taken: dict[int, list[float]] = defaultdict(list)
    for sample in samples:
        piece = (sample.at - since) // width
        if sample.answered and 0 <= piece < pieces:
            taken[piece].append(sample.took_ms)
    return [_point(since + width * (piece + 0.5), sorted(taken[piece])) for piece in sorted(taken)]


def _point(at: datetime, took: list[float]) -> Point:
    p50, p95, p99 = (percentile(took, share) or 0.0 for share in (0.5, 0.95, 0.99))
    return Point(at=at, p50=p50, p95=p95, p99=p99)
