"""Connections that cannot trade or soon could not, people whom no notice reaches, and symbols that mean several contracts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.feed.needs import Facts, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.notices import DispatchStatus, NoticeKind
from brokers.domain.sentences import all_of
from brokers.domain.sessions import SessionStatus
from brokers.models import Connection, ContractLookup, Dispatch, Notice
from brokers.needs.lines import MOST, REMEMBERED

# IBKR ends these by itself, within minutes.
_PASSING = {SessionStatus.RESETTING, SessionStatus.UNREACHABLE, SessionStatus.PENDING}
# What connections have in common that one line speaks of, and how many of them it names.
_ALIKE = ("session_status", "session_reason", "session_action")
_NAMED = 3
_MOST_LOST = 100


def lost_rows(team: Team, now: datetime) -> QuerySet[Connection]:
    rows = Connection.objects.filter(team=team, enabled=True).exclude(session_reason="")
    lost = rows.exclude(session_status__in=[str(SessionStatus.ACTIVE), str(SessionStatus.CONNECTING)])
    columns = ("code", "name", "session_status", "session_reason", "session_action", "session_changed_at")
    return with_facts(lost.order_by("pk"), **{name: F(name) for name in columns})[:_MOST_LOST]


def sessions(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    """One line for connections that cannot trade for one reason: what is away for one is often away for all."""
    groups: dict[tuple[str, ...], list[Facts]] = defaultdict(list)
    for connection in sorted(facts, key=itemgetter("pk")):
        groups[tuple(connection[name] for name in _ALIKE)].append(connection)
    lines = [*groups.values()]
    shown = lines if len(lines) <= 2 * MOST else lines[: 2 * MOST - 1]
    for alike in shown:
        yield _lost(team, alike)
    if rest := sum(map(len, lines[len(shown) :])):
        yield Need(
            key="sessions",
            urgency=Urgency.SESSION,
            symbol="connections",
            title=f"{rest} more connections cannot trade",
            text="The list of connections says of each why, and what to do.",
            href=reverse("connections", args=[team.code]),
            action="See the connections",
            alarm=True,
        )


def _lost(team: Team, alike: list[Facts]) -> Need:
    first, several = alike[0], len(alike) > 1
    status = SessionStatus(first["session_status"])
    page = (
        reverse("connections", args=[team.code]) if several else reverse("connection", args=[team.code, first["code"]])
    )
    since = [moment(connection, "session_changed_at") for connection in alike]
    names = [connection["name"] for connection in alike]
    rest = len(names) - _NAMED
    named = names if rest < 2 else [*names[:_NAMED], f"{rest} more"]
    return Need(
        key=f"session-{first['code']}",
        urgency=Urgency.SESSION,
        symbol="connections",
        title=f"{all_of(named)} cannot trade: {status.replace('_', ' ')}",
        text=f"{first['session_reason']} {first['session_action']}".strip(),
        href=page,
        action="See the connections" if several else "See the connection",
        alarm=status not in _PASSING,
        since=min((each for each in since if each is not None), default=None),
    )


def notice_rows(team: Team, now: datetime) -> QuerySet[Notice]:
    """Sign-ins that are due before a market opens; what cannot trade already says so by its session."""
    rows = Notice.objects.filter(
        connection__team=team, connection__enabled=True, settled_at=None, kind=str(NoticeKind.WEEKLY_SIGN_IN)
    )
    ahead = rows.filter(opens_at__gt=now).order_by("opens_at", "pk")
    columns = {"name": F("connection__name"), "code": F("connection__code"), "event": F("event")}
    return with_facts(ahead, **columns, opens_at=F("opens_at"), created_at=F("created_at"))[:MOST]


def notices(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for notice in sorted(facts, key=itemgetter("pk")):
        yield Need(
            key=f"{notice['event']}-{notice['code']}",
            urgency=Urgency.SESSION,
            symbol="connections",
            title=f"Sign in for {notice['name']} before its market opens",
            text="IBKR ends every login once a week. Sign in at the gateway's page; Halyard continues by itself.",
            href=reverse("connection", args=[team.code, notice["code"]]),
            action="See the connection",
            since=moment(notice, "created_at"),
            until=moment(notice, "opens_at"),
        )


def unaddressed_rows(team: Team, now: datetime) -> QuerySet[Dispatch]:
    """Owners whom a notice of today could not reach, since nobody knows that their address is theirs."""
    rows = Dispatch.objects.filter(
        notice__connection__team=team, status=str(DispatchStatus.NO_ADDRESS), due_at__gte=now - REMEMBERED
    )
    newest = rows.order_by("user_id", "-pk").distinct("user_id").values("pk")
    return with_facts(Dispatch.objects.filter(pk__in=newest).order_by("pk"), email=F("user__email"))[:MOST]


def unaddressed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for dispatch in sorted(facts, key=itemgetter("email")):
        yield Need(
            key=f"address-{dispatch['email']}",
            urgency=Urgency.ANSWER,
            symbol="alert",
            title=f"{dispatch['email']} got no notice: the address is not confirmed",
            text="Notices go to confirmed addresses only. Its owner confirms it under Your settings, E-mail addresses.",
            href=reverse("notices", args=[team.code]),
            action="See the notices",
        )


def symbol_rows(team: Team, now: datetime) -> QuerySet[ContractLookup]:
    """Symbols that several contracts share, of connections in use."""
    rows = ContractLookup.objects.filter(connection__team=team, connection__enabled=True, candidates__isnull=False)
    return with_facts(rows.order_by("ticker", "pk"), ticker=F("ticker"), asked_at=F("asked_at"))[: 2 * MOST]


def symbols(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for ticker, fact in {fact["ticker"]: fact for fact in sorted(facts, key=itemgetter("pk"))}.items():
        yield Need(
            key=f"symbol-{ticker}",
            urgency=Urgency.ANSWER,
            symbol="alert",
            title=f"{ticker} may mean several contracts",
            text="Nothing is opened by it until somebody says which one is meant. Then send the signal again.",
            href=reverse("symbols", args=[team.code]),
            action="Choose",
            since=moment(fact, "asked_at"),
        )
