"""The meter of a webhook: how much of its limits is used, and what the last hour was like, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
MINUTES = 60


@dataclass(frozen=True, slots=True)
class Minute:
    """What one webhook was sent within one minute. `refused` and `over` are among those `taken`; `strangers` are not."""

    at: datetime
    taken: int = 0
    refused: int = 0
    over: int = 0
    strangers: int = 0
    old_key: int = 0


@dataclass(frozen=True, slots=True)
class Gauge:
    """A load against its limit."""

    load: int
    limit: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.load / self.limit))

    @property
    def tone(self) -> str:
        if self.load >= self.limit:
            return "bad"
        return "warn" if self.load >= 0.8 * self.limit else ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of the chart: where each part begins and how high it is, in hundredths of the chart's height."""

    at: datetime
    accepted: int
    refused: int
    over: int
    x: float
    accepted_y: float
    accepted_height: float
    refused_y: float
    refused_height: float
    over_y: float
    over_height: float

    @property
    def total(self) -> int:
        return self.accepted + self.refused + self.over


@dataclass(frozen=True, slots=True)
class Meter:
    """Two gauges and sixty bars."""

    minute: Gauge
    hour: Gauge
    bars: tuple[Bar, ...]
    highest: int

    @property
    def total(self) -> int:
        return sum(bar.total for bar in self.bars)


def meter(minutes: Sequence[Minute], now: datetime, *, per_minute: int, per_hour: int) -> Meter:
    """The meter at a moment.

    The minute before the present one counts for the part of it that is less than a minute ago, as the limit itself
    counts it: no burst across the full minute doubles what may be sent.
    """
    present = now.replace(second=0, microsecond=0)
    by_minute = {each.at: each for each in minutes}
    hour = [by_minute.get(present - MINUTE * back, Minute(present - MINUTE * back)) for back in range(MINUTES, -1, -1)]
    before, this = hour[-2], hour[-1]
    elapsed = (now - present) / MINUTE
    shown = hour[1:]
    highest = max([each.taken for each in shown], default=0)
    return Meter(
        minute=Gauge(round(this.taken + before.taken * (1 - elapsed)), per_minute),
        hour=Gauge(sum(each.taken for each in hour), per_hour),
        bars=tuple(_bar(each, number, highest) for number, each in enumerate(shown)),
        highest=highest,
    )


def _bar(minute: Minute, number: int, highest: int) -> Bar:
    over = min(minute.over, minute.taken)
    # One that is refused for what it says and comes over the limit counts as both.
    refused = min(minute.refused, minute.taken - over)
    accepted = minute.taken - over - refused
    unit = 100 / highest if highest else 0.0
    heights = [round(count * unit, 2) for count in (accepted, refused, over)]
    tops = [round(100 - sum(heights[: end + 1]), 2) for end in range(3)]
    return Bar(
        at=minute.at,
        accepted=accepted,
        refused=refused,
        over=over,
        x=round(100 / MINUTES * number, 3),
        accepted_y=tops[0],
        accepted_height=heights[0],
        refused_y=tops[1],
        refused_height=heights[1],
        over_y=tops[2],
        over_height=heights[2],
    )
