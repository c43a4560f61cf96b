"""The log: every delivery to a team's webhooks, taken or refused, filtered, in pages or whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import psycopg
from django.db import OperationalError, connection, transaction
from django.db.models import Exists, Model, OuterRef, Prefetch, Q, QuerySet

from accounts.models import Team
from accounts.pages.paging import SIZE, page_of
from strategies import live
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy

Row = TypeVar("Row", bound=Model)

# A body has at most 64 KiB, so this many of them are a few megabytes.
CHUNK = 200
PATIENCE_MS = 5_000
_PART_OF_AN_ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries are asked for; as it is, all of them. `until` is a minute that still counts whole."""

    strategy: Strategy | None = None
    ticker: str = ""
    action: str = ""
    outcome: str = ""
    q: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def anything(self) -> bool:
        """False when nothing is filtered."""
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def tags(self) -> str:
        """What a new row must have to belong into this list, in the words of its `data-feed-tags`."""
        if self.q or self.until:
            # No row tells the page what was sent, and the past gets no new rows.
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
    """A page of the log. `older` names the last signal and the last refusal on it, and is empty on the last page."""

    rows: list[live.Row]
    older: dict[str, str]


class TooMuch(Exception):
    """Looking through all those bodies takes too long. The message is a sentence for people."""


def page(team: Team, wanted: Wanted, signals_before: str, refusals_before: str) -> LogPage:
    """The deliveries after those two, in one list; raises TooMuch when words are looked for in too many of them."""
    if not wanted.q:
        return _page(team, wanted, signals_before, refusals_before)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # No index helps to find words within bodies, and nobody waits forever.
            cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            return _page(team, wanted, signals_before, refusals_before)
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        raise TooMuch(
            "There are too many deliveries to look through all of their text. Say from when to when, or which strategy."
        ) from error


def _page(team: Team, wanted: Wanted, signals_before: str, refusals_before: str) -> LogPage:
    taken = page_of(signals(team, wanted), signals_before)
    refused = page_of(refusals(team, wanted), refusals_before, code="log_code")
    everything = live.rows(taken.items, refused.items)
    shown = everything[:SIZE]
    if not (taken.older or refused.older or len(everything) > SIZE):
        return LogPage(shown, {})
    last_signal = next((str(row.signal.code) for row in reversed(shown) if row.signal), signals_before)
    last_refusal = next((str(row.refusal.log_code) for row in reversed(shown) if row.refusal), refusals_before)
    return LogPage(shown, {"signals_before": last_signal, "refusals_before": last_refusal})


def everything(team: Team, wanted: Wanted) -> Iterator[live.Row]:
    """All that the pages would show, read in chunks: what arrives meanwhile is not among it, and nothing is missed."""
    decisions = Decision.objects.select_related("subscription__account").defer("inputs", "plan").order_by("pk")
    whole = Signal.objects.select_related("strategy").prefetch_related(
        Prefetch("decisions", decisions), Prefetch("repeats", Repeat.objects.order_by("pk"))
    )
    return live.merged(_in_chunks(_asked(whole, team, wanted)), _in_chunks(refusals(team, wanted)))


def _in_chunks(rows: QuerySet[Row]) -> Iterator[Row]:
    newest_first = rest = rows.order_by("-pk")
    while True:
        chunk = list(rest[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        rest = newest_first.filter(pk__lt=chunk[-1].pk)
        # Let go of before the next is read: two at a time would be twice the memory.
        del chunk


def signals(team: Team, wanted: Wanted) -> QuerySet[Signal]:
    """The signals asked for, with what their rows show."""
    return _asked(live.signal_rows(), team, wanted)


def _asked(rows: QuerySet[Signal], team: Team, wanted: Wanted) -> QuerySet[Signal]:
    rows = rows.filter(_in_time(wanted), team=team)
    if wanted.strategy:
        rows = rows.filter(strategy=wanted.strategy)
    if wanted.ticker:
        rows = rows.filter(ticker__istartswith=wanted.ticker)
    if wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.q:
        rows = rows.filter(_says(wanted.q, "code", "log_code") | _repeated_as(wanted.q))
    return _with_outcome(rows, wanted.outcome)


def _with_outcome(rows: QuerySet[Signal], outcome: str) -> QuerySet[Signal]:
    decided = Decision.objects.filter(signal=OuterRef("pk"))
    match outcome:
        case "accepted" | "rejected" | "proposed":
            return rows.filter(Exists(decided.filter(status=outcome)))
        case "pending":
            return rows.filter(
                Exists(decided.filter(status=outcome)) | Q(dispatched_at__isnull=True, not_before__isnull=True)
            )
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
            return rows.filter(~Exists(decided), dispatched_at__isnull=False, note="")
        case "refused" | "over":
            return rows.none()
    return rows


def refusals(team: Team, wanted: Wanted) -> QuerySet[Refusal]:
    """The refused deliveries asked for; what was refused has no ticker and no action to filter by."""
    rows = Refusal.objects.filter(_in_time(wanted), team=team).select_related("endpoint__strategy")
    if wanted.ticker or wanted.action or wanted.outcome not in {"", "refused", "over"}:
        return rows.none()
    if wanted.strategy:
        rows = rows.filter(endpoint__strategy=wanted.strategy)
    if wanted.outcome == "over":
        rows = rows.filter(status=429)
    if wanted.q:
        rows = rows.filter(_says(wanted.q, "log_code") | Q(message_code=wanted.q))
    return rows


def _in_time(wanted: Wanted) -> Q:
    found = Q()
    if wanted.since:
        found &= Q(received_at__gte=wanted.since)
    if wanted.until:
        found &= Q(received_at__lt=wanted.until + timedelta(minutes=1))
    return found


def _says(words: str, *codes: str) -> Q:
    """The words stand in the body, or one of the ids begins with them."""
    found = Q(body__icontains=words)
    if _PART_OF_AN_ID.fullmatch(words.lower()):
        for code in codes:
            found |= Q(**{f"{code}__startswith": words.lower()})
    return found


def _repeated_as(words: str) -> Q:
    """One of the repeats has this id in the log."""
    try:
        log_code = UUID(words)
    except ValueError:
        return Q()
    return Q(Exists(Repeat.objects.filter(signal=OuterRef("pk"), log_code=log_code)))
