"""What was looked at since an order came into doubt, and which looks count. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from brokers.domain.session import clocks

# The code of an order that IBKR acknowledged and that its lists do not show any more.
NOT_SHOWN = "acknowledged-not-shown"


class Origin(StrEnum):
    """How an order came into doubt."""

    ANSWER_LOST = "answer_lost"
    # IBKR says that it has seen the reference before.
    REGISTERED = "registered"
    # IBKR acknowledged the order, and complete lists do not show it any more.
    VANISHED = "vanished"
    # What IBKR shows under the order's reference is another order.
    ANOTHER = "another"


class Source(StrEnum):
    """Where IBKR was asked: its list of orders, or its list of executions."""

    ORDERS = "orders"
    TRADES = "trades"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What proves that IBKR does not have an order; times in seconds.

    A list counts when it was read `apart` seconds after the one before. Both kinds of list must miss the order so often,
    over `span`, while the live stream had no gap. A registered reference is looked for `registered` seconds longer.
    After `patience` without a proof a person is asked, and after `untold` where what is held has changed as if the order had
    filled, and no fill is shown. The stream has to have spoken after the last look, `lag` before it
    at the most. `zone` is the clock by which IBKR's day ends.
    """

    order_reads: int = 3
    trade_reads: int = 2
    apart: float = 5.0
    span: float = 30.0
    registered: float = 60.0
    patience: float = 900.0
    untold: float = 90.0
    around_day_end: float = 300.0
    lag: float = 0.0
    zone: str = "America/New_York"

    @property
    def needed(self) -> dict[Source, int]:
        return {Source.ORDERS: self.order_reads, Source.TRADES: self.trade_reads}


REAL = Terms()
# The simulator's lists are complete at once and its stream answers within milliseconds, so that its proofs are as
# strict and take less time. Its heart beats every ten seconds.
SIMULATED = Terms(apart=0.4, span=2.0, registered=4.0, patience=60.0, untold=6.0, around_day_end=0.0, lag=15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The looks that count so far. `counting_since`: the first of them; `last_at`: the last of each source.

    `looking_since`: since when somebody looks without a pause, whether the looks count or not.
    """

    origin: Origin
    since: datetime
    sent_at: datetime
    reads: tuple[tuple[Source, int], ...] = ()
    last_at: tuple[tuple[Source, datetime], ...] = ()
    counting_since: datetime | None = None
    looking_since: datetime | None = None

    def count(self, source: Source) -> int:
        return dict(self.reads).get(source, 0)

    def read_at(self, source: Source) -> datetime | None:
        return dict(self.last_at).get(source)

    @property
    def latest(self) -> datetime | None:
        return max((at for _, at in self.last_at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What makes a look believable: since when the session trades and the stream runs, and when the stream last spoke.

    None: it does not. `resetting`: IBKR restarts its servers in this hour.
    """

    session_since: datetime | None
    stream_since: datetime | None
    heard_at: datetime | None
    resetting: bool = False

    def clear_since(self) -> datetime | None:
        """Since when nothing could be missed; None while something can."""
        if self.session_since is None or self.stream_since is None or self.resetting:
            return None
        return max(self.session_since, self.stream_since)


def looked(evidence: Evidence, source: Source, sight: Sight, terms: Terms, now: datetime) -> Evidence:
    """The evidence after a complete list of `source` did not name the order.

    A gap in the stream, a new session or a reset takes away what was counted: what happened meanwhile was not seen. Once
    there are looks enough, more of them count for nothing: the stream has to speak after the last that counts.
    """
    clear = sight.clear_since()
    if clear is None or near_day_end(now, terms):
        return replace(evidence, reads=(), last_at=(), counting_since=None)
    if evidence.counting_since is not None and evidence.counting_since < clear:
        evidence = replace(evidence, reads=(), last_at=(), counting_since=None)
    if is_enough(evidence, terms):
        return evidence
    last = evidence.read_at(source)
    if last is not None and (now - last).total_seconds() < terms.apart:
        return evidence
    return replace(
        evidence,
        reads=tuple({**dict(evidence.reads), source: evidence.count(source) + 1}.items()),
        last_at=tuple({**dict(evidence.last_at), source: now}.items()),
        counting_since=evidence.counting_since or now,
    )


def is_enough(evidence: Evidence, terms: Terms) -> bool:
    """Whether both lists missed the order often and long enough."""
    start, latest = evidence.counting_since, evidence.latest
    if start is None or latest is None or (latest - start).total_seconds() < terms.span:
        return False
    return all(evidence.count(source) >= needed for source, needed in terms.needed.items())


def by_clock(evidence: Evidence, now: datetime) -> Evidence:
    """The evidence by the clock of `now`: where it was set back since, everything is counted anew."""
    evidence = replace(evidence, sent_at=min(evidence.sent_at, now))
    moments = (evidence.since, evidence.counting_since, evidence.looking_since, evidence.latest)
    if not any(clocks.is_ahead(each, now) for each in moments):
        return evidence
    return replace(
        evidence,
        since=min(evidence.since, now),
        reads=(),
        last_at=(),
        counting_since=None,
        looking_since=now,
    )


def day_ends_between(start: datetime, end: datetime, terms: Terms) -> bool:
    """Whether IBKR's day ended between two moments: its lists begin anew, and a reference may be used again."""
    zone = ZoneInfo(terms.zone)
    return start.astimezone(zone).date() != end.astimezone(zone).date()


def near_day_end(now: datetime, terms: Terms) -> bool:
    """Whether `now` is so close to the end of IBKR's day that its lists may be of either day."""
    zone = ZoneInfo(terms.zone)
    local = now.astimezone(zone)
    midnight = datetime.combine(local.date(), time(), zone)
    following = datetime.combine(local.date() + timedelta(days=1), time(), zone)
    edges = (abs((local - midnight).total_seconds()), abs((following - local).total_seconds()))
    return min(edges) < terms.around_day_end
