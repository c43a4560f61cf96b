"""The log: every delivery to a team's webhooks, accepted or refused, filtered, in pages or whole."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from accounts.models import Team
from accounts.newest import newest
from accounts.pages.paging import SIZE, page_of
from accounts.plans import patience
from strategies import live
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy
from strategies.webhook import portions
from strategies.webhook.portions import all_in_portions, in_time, portion_of

_PART_OF_AN_ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which deliveries to show; by default all of them. `until` names the last minute, and includes it."""

    strategy: Strategy | None = None
    ticker: str = ""
    action: str = ""
    outcome: str = ""
    q: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves any delivery out."""
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def tags(self) -> str:
        """The `data-feed-tags` that a new row needs to belong into this list, separated by spaces."""
        if self.q or self.until:
            # A row does not tell the page its body, and the past gets no new rows.
            return "page:still"
        words = [
            f"strategy:{self.strategy.code}" if self.strategy else "",
            f"ticker:{self.ticker.upper()}" if self.ticker else "",
            f"action:{self.action}" if self.action else "",
            f"outcome:{self.outcome}" if self.outcome else "",
        ]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the log. `older` names where the next one begins, and is empty on the last page.

    `portion`: how many signals were looked through for what no index finds, where older ones are left to the next page;
    else 0.
    """

    rows: list[live.Row]
    older: dict[str, str]
    portion: int = 0


class SearchTooBroad(Exception):
    """Searching all those bodies takes too long. The message is a sentence for people."""


def page(team: Team, criteria: LogFilter, signals_before: str, refusals_before: str) -> LogPage:
    """The deliveries before those two, newest first, in one list; raises SearchTooBroad when there are too many to search their text."""
    if not criteria.narrows:
        return _page(team, criteria, signals_before, refusals_before)
    try:
        # An index serves each filter, but not every two of them together; and bodies may be large.
        with patience.limited():
            return _page(team, criteria, signals_before, refusals_before)
    except patience.TooLong as error:
        raise SearchTooBroad(
            f"There are too many deliveries to {'search all of their text' if criteria.q else 'look through'}."
            " Choose a time span or a strategy."
        ) from error


def _page(team: Team, criteria: LogFilter, signals_before: str, refusals_before: str) -> LogPage:
    found, refused_found = signals(team, criteria), refusals(team, criteria)
    end = refused_end = ""
    others, wanted, refused_wanted = _without_index(team, criteria)
    if others != criteria:
        looked = _filtered(Signal.objects.all(), team, others)
        refused = refusals(team, replace(criteria, q="")).select_related(None)
        part = portion_of(looked, signals_before, "code", wanted)
        refused_part = portion_of(refused, refusals_before, "log_code", refused_wanted)
        end, refused_end = part.end, refused_part.end
        found = signals(team, others).filter(pk__in=part.keys)
        refused_found = refusals(team, replace(criteria, q="")).filter(pk__in=refused_part.keys)
    accepted = page_of(found, signals_before)
    declined = page_of(refused_found, refusals_before, code="log_code")
    rows = live.rows(accepted.rows, declined.rows)
    shown = rows[:SIZE]
    is_whole = not (accepted.older or declined.older or len(rows) > SIZE)
    if is_whole and not (end or refused_end):
        return LogPage(shown, {})
    last_signal = next((str(row.signal.code) for row in reversed(shown) if row.signal), signals_before)
    last_refusal = next((str(row.refusal.log_code) for row in reversed(shown) if row.refusal), refusals_before)
    if is_whole:
        # All that was found is shown: the next page looks through the next portion.
        last_signal, last_refusal = end or last_signal, refused_end or last_refusal
    older = {"signals_before": last_signal, "refusals_before": last_refusal}
    return LogPage(shown, older, portions.LOOKED_THROUGH if end or refused_end else 0)


def _without_index(team: Team, criteria: LogFilter) -> tuple[LogFilter, Q, Q]:
    """The criteria that an index serves, and what of signals and of refusals is looked for among those by portions."""
    wanted = refused = Q(pk__isnull=False)
    if criteria.q and not _by_id(team, criteria.q):
        wanted, refused = _contains(criteria.q, "code", "log_code"), _refused_with(criteria.q)
        criteria = replace(criteria, q="")
    if criteria.outcome == "nobody":
        wanted &= _found_nobody(team)
        criteria = replace(criteria, outcome="")
    return criteria, wanted, refused


def all_rows(team: Team, criteria: LogFilter) -> Iterator[live.Row | None]:
    """All rows that the pages would show, read in portions; None where the next portion is read.

    Deliveries that arrive meanwhile are left out; no other is.
    """
    decisions = Decision.objects.select_related("subscription__account").defer("inputs", "plan").order_by("pk")
    whole = Signal.objects.select_related("strategy").prefetch_related(
        Prefetch("decisions", decisions), Prefetch("repeats", Repeat.objects.order_by("pk"))
    )
    times = LogFilter(since=criteria.since, until=criteria.until)
    found = all_in_portions(
        _filtered(Signal.objects.all(), team, times), _filtered(Signal.objects.all(), team, criteria), whole
    )
    refused = refusals(team, criteria)
    every = refused if refused.query.is_empty() else refusals(team, times)
    declined = all_in_portions(every, refused, Refusal.objects.select_related("endpoint__strategy"))
    return _merged(map(_accepted, found), map(_declined, declined))


def _accepted(signals: list[Signal]) -> list[live.Row]:
    return live.rows(signals)


def _declined(refusals: list[Refusal]) -> list[live.Row]:
    return live.rows((), refusals)


def _merged(*sides: Iterator[list[live.Row]]) -> Iterator[live.Row | None]:
    """Lists in one by time, each of them in the order it has, as `live.merged`; None where the next part is read."""
    waiting: list[deque[live.Row]] = [deque() for _ in sides]
    unread = set(range(len(sides)))
    while True:
        for number in sorted(unread):
            while not waiting[number] and number in unread:
                part = next(sides[number], None)
                if part is None:
                    unread.remove(number)
                    continue
                waiting[number].extend(part)
                # The list would keep what has been written already.
                del part
                yield None
        ready = [rows for rows in waiting if rows]
        if not ready:
            return
        yield max(ready, key=lambda rows: rows[0].at).popleft()


def signals(team: Team, criteria: LogFilter) -> QuerySet[Signal]:
    """The filtered signals, with what their rows show."""
    return _filtered(live.signal_rows(), team, criteria)


def _filtered(rows: QuerySet[Signal], team: Team, criteria: LogFilter) -> QuerySet[Signal]:
    rows = newest(rows.filter(_in_time(Signal, team, criteria)), team)
    if criteria.strategy:
        rows = rows.filter(strategy=criteria.strategy)
    if criteria.ticker:
        rows = rows.filter(ticker__startswith=criteria.ticker.upper())
    if criteria.action:
        rows = rows.filter(action=criteria.action)
    if criteria.q:
        by_id = _by_id(team, criteria.q)
        rows = rows.filter(Q(pk__in=by_id[0]) if by_id else _contains(criteria.q, "code", "log_code"))
    return _with_outcome(rows, team, criteria.outcome)


def _with_outcome(rows: QuerySet[Signal], team: Team, outcome: str) -> QuerySet[Signal]:
    decided = Decision.objects.filter(signal=OuterRef("pk"), team=team)
    match outcome:
        case "accepted" | "rejected" | "proposed":
            return rows.filter(Exists(decided.filter(status=outcome)))
        case "pending":
            # Each of the two has its index; a condition with "or" between them would have none.
            waits = Signal.objects.filter(team=team, dispatched_at__isnull=True, not_before__isnull=True)
            pending = Decision.objects.filter(team=team, status=outcome).values("signal")
            return rows.filter(pk__in=pending.union(waits.values("pk")))
        case "delayed":
            return rows.filter(dispatched_at__isnull=True, not_before__isnull=False)
        case "rehearsed":
            return rows.filter(is_test=True)
        case "set_aside":
            return rows.exclude(note="", set_aside="")
        case "stale-signal" | "expired-signal" | "superseded-signal":
            return rows.filter(set_aside=outcome)
        case "repeated":
            return rows.filter(duplicates__gt=0)
        case "nobody":
            return rows.filter(_found_nobody(team))
        case "refused" | "over":
            return rows.none()
    return rows


def _found_nobody(team: Team) -> Q:
    # The key of one decision, and not whether there is any: for that Postgres may read all decisions of the team first.
    first = Decision.objects.filter(signal=OuterRef("pk"), team=team).values("pk")[:1]
    return Q(IsNull(Subquery(first), True), dispatched_at__isnull=False, note="")


def refusals(team: Team, criteria: LogFilter) -> QuerySet[Refusal]:
    """The filtered refusals; a refusal has no ticker and no action, so a filter on these leaves none."""
    rows = newest(Refusal.objects.filter(_in_time(Refusal, team, criteria)), team).select_related("endpoint__strategy")
    if criteria.ticker or criteria.action or criteria.outcome not in {"", "refused", "over"}:
        return rows.none()
    if criteria.strategy:
        rows = rows.filter(endpoint__strategy=criteria.strategy)
    if criteria.outcome == "over":
        rows = rows.filter(status=429)
    if criteria.q:
        by_id = _by_id(team, criteria.q)
        rows = rows.filter(Q(pk__in=by_id[1]) if by_id else _refused_with(criteria.q))
    return rows


def latest_refusals(strategy: Strategy, count: int) -> list[Refusal]:
    """The last refusals of all webhooks of a strategy, newest first."""
    of_each = newest(Refusal.objects.all(), OuterRef("pk"), "endpoint").values("pk")[:count]
    keys = [
        key
        for latest in strategy.endpoints.annotate(latest=ArraySubquery(of_each)).values_list("latest", flat=True)
        for key in latest
    ]
    rows = Refusal.objects.filter(pk__in=sorted(keys)[-count:]).select_related("endpoint__strategy")
    return list(rows.order_by("-pk"))


def _in_time(model: type[Signal] | type[Refusal], team: Team, criteria: LogFilter) -> Q:
    until = criteria.until + timedelta(minutes=1) if criteria.until else None
    return in_time(model, team, criteria.since, until)


def _contains(words: str, *codes: str) -> Q:
    """The body contains the words, or one of the ids begins with them."""
    condition = Q(body__icontains=words)
    if _PART_OF_AN_ID.fullmatch(words.lower()):
        for code in codes:
            condition |= Q(**{f"{code}__startswith": words.lower()})
    return condition


def _refused_with(words: str) -> Q:
    return _contains(words, "log_code") | Q(message_code=words)


def _by_id(team: Team, words: str) -> tuple[list[int], list[int]] | None:
    """The keys of the signal and of the refusal that this id names, by their indexes; None where it names none."""
    try:
        code = UUID(words)
    except ValueError:
        return None
    repeated = Repeat.objects.filter(team=team, log_code=code).values_list("signal_id", flat=True)
    signals = [*Signal.objects.filter(team=team, code=code).values_list("pk", flat=True), *repeated]
    refusals = list(Refusal.objects.filter(team=team, log_code=code).values_list("pk", flat=True))
    return (signals, refusals) if signals or refusals else None
