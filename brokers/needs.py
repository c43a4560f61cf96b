"""What needs somebody at the broker: ways out that failed, positions without their stop, orders in doubt, lost sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.urls import reverse

from accounts.feed.needs import Facts, Kind, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.doubts.evidence import NOT_SHOWN
from brokers.domain.elsewhere.whose import REFERENCE_PREFIX
from brokers.domain.notices import DispatchStatus, NoticeKind
from brokers.domain.orders import MAY_FILL, WORKING, AssetClass, OrderStatus, Role, Side
from brokers.domain.questions import WAYS_OUT
from brokers.domain.sentences import all_of, grouped
from brokers.domain.sessions import SessionStatus
from brokers.models import (
    Closing,
    Connection,
    ContractLookup,
    Dispatch,
    ForeignOrder,
    Lapse,
    Notice,
    Order,
    Position,
    SubmissionAttempt,
    UnclaimedOrder,
)
from brokers.models.protection import STOPS
from brokers.models.seconds import undecided
from brokers.models.unclaimed import asked

# A closing that failed longer ago was dealt with, or it is no emergency any more.
REMEMBERED = timedelta(days=1)
MOST = 5
_WAYS_OUT = [str(role) for role in WAYS_OUT]
_CAME_TO_NOTHING = [
    str(each) for each in (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
]
# What lines say of the account that something is in.
_IN_ACCOUNT = {"ticker": F("ticker"), "account": F("account__account_id"), "account_code": F("account__code")}
# IBKR ends these by itself, within minutes.
_PASSING = {SessionStatus.RESETTING, SessionStatus.UNREACHABLE, SessionStatus.PENDING}
# What connections have in common that one line speaks of, and how many of them it names.
_ALIKE = ("session_status", "session_reason", "session_action")
_NAMED = 3
_MOST_LOST = 100


def unprotected(team: Team) -> QuerySet[Position]:
    """Positions whose entry came with a stop loss and in which none works any more."""
    # What was split is held under another number than it was bought by, and its stop is under the old one.
    renumbered = ContractLookup.objects.filter(
        connection=OuterRef("account__connection_id"),
        conid=OuterRef("conid"),
        # The other month of a future is another holding.
        asset_class=str(AssetClass.STOCK),
        replaced_conid__isnull=False,
    )
    before = renumbered.order_by("-replaced_at").values("replaced_conid")[:1]
    same = Q(conid=OuterRef("conid")) | Q(conid=OuterRef("conid_before"))
    here = Order.objects.filter(same, account_id=OuterRef("account_id"))
    stops = here.filter(role=str(Role.STOP_LOSS))
    alive = stops.filter(status__in=[str(status) for status in MAY_FILL])
    entries = here.filter(role=str(Role.ENTRY), filled_quantity__gt=0)
    last = entries.order_by("-pk").values("ticket_id")[:1]
    had_stop_loss = Exists(Order.objects.filter(ticket_id=OuterRef("last_ticket"), role=str(Role.STOP_LOSS)))
    closing = Closing.objects.filter(
        account_id=OuterRef("account_id"), conid=OuterRef("conid"), status=Closing.Status.OPEN
    )
    stops_elsewhere = ForeignOrder.objects.filter(
        account_id=OuterRef("account_id"), conid=OuterRef("conid"), type__in=STOPS
    )
    long, short = Q(quantity__gt=0), Q(quantity__lt=0)
    sells = stops_elsewhere.filter(side=str(Side.SELL), remaining__gte=OuterRef("quantity"))
    buys = stops_elsewhere.filter(side=str(Side.BUY), remaining__gte=-OuterRef("quantity"))
    # A lapse that is open says it by itself, in more words.
    lapse = Lapse.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"), ended_at=None)
    rows = (
        Position.objects.filter(team=team)
        .annotate(conid_before=Subquery(before))
        .annotate(last_ticket=last)
        .filter(had_stop_loss)
        .exclude(Exists(alive))
    )
    return (
        rows.exclude(Exists(closing) | Exists(lapse))
        .exclude(long & Exists(sells))
        .exclude(short & Exists(buys))
        .select_related("account")
        .order_by("pk")
    )


def _lapse_rows(team: Team, now: datetime) -> QuerySet[Lapse]:
    """Stops that are missing, where a person is needed."""
    columns = ("code", "happened", "did", "can_do", "changed_at", "conid")
    rows = Lapse.objects.filter(team=team, ended_at=None, alarm=True).order_by("-pk")
    facts = {name: F(name) for name in columns}
    return with_facts(rows, **_IN_ACCOUNT, **facts, stop_code=F("stop__code"), entry_code=F("entry__code"))[:MOST]


def _lapses(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for lapse in sorted(facts, key=itemgetter("pk"), reverse=True):
        code = lapse["stop_code"] or lapse["entry_code"]
        yield Need(
            key=f"lapse-{lapse['code']}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"{lapse['ticker']} in {lapse['account']} is without its stop",
            text=f"{lapse['happened']} {lapse['did']} {lapse['can_do']}",
            href=_of_order(team, code) if code else _of_account(team, lapse["account_code"]),
            action="See it",
            alarm=True,
            since=moment(lapse, "changed_at"),
        )


def _unclosed_rows(team: Team, now: datetime) -> QuerySet[Closing]:
    still_held = Position.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"))
    failed = Closing.objects.filter(team=team, status=Closing.Status.FAILED, ended_at__gte=now - REMEMBERED)
    rows = failed.filter(Exists(still_held)).order_by("-ended_at")
    return with_facts(rows, **_IN_ACCOUNT, code=F("code"), note=F("note"), ended_at=F("ended_at"))[:MOST]


def _unclosed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for each in sorted(facts, key=itemgetter("ended_at"), reverse=True):
        yield Need(
            key=f"closing-{each['code']}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{each['ticker']} in {each['account']} could not be closed",
            text=each["note"],
            href=_of_account(team, each["account_code"]),
            action="See the account",
            alarm=True,
            since=moment(each, "ended_at"),
        )


def declined(team: Team, now: datetime) -> QuerySet[Order]:
    """Ways out that IBKR asked about and nobody confirmed, while the position is held and nothing else closes it."""
    here = {"account_id": OuterRef("account_id"), "conid": OuterRef("conid")}
    long, short = Position.objects.filter(**here, quantity__gt=0), Position.objects.filter(**here, quantity__lt=0)
    replies = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.REPLY, request__confirmed=False
    )
    later = Order.objects.filter(**here, pk__gt=OuterRef("pk"), side=OuterRef("side"), role=OuterRef("role"))
    closing = Closing.objects.filter(**here, asked_at__gte=OuterRef("created_at"))
    return (
        Order.objects.filter(
            Q(side=str(Side.SELL)) & Exists(long) | Q(side=str(Side.BUY)) & Exists(short),
            Exists(replies),
            team=team,
            role__in=_WAYS_OUT,
            status=str(OrderStatus.REJECTED),
            changed_at__gte=now - REMEMBERED,
        )
        .exclude(Exists(later.exclude(status__in=_CAME_TO_NOTHING)))
        # Superseded by a later one that was declined too; a closing speaks for itself.
        .exclude(Exists(later.filter(status=str(OrderStatus.REJECTED))))
        .exclude(Exists(closing))
        .select_related("account")
        # Not by the key, which would be walked through all that other teams have sent.
        .order_by("-changed_at", "-pk")
    )


def _declined_rows(team: Team, now: datetime) -> QuerySet[Order]:
    columns = ("code", "role", "reason", "changed_at")
    return with_facts(declined(team, now), **_IN_ACCOUNT, **{name: F(name) for name in columns})[:MOST]


def _declined(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        outcome = "closed" if order["role"] == Role.EXIT else "protected as planned"
        yield Need(
            key=f"declined-{order['code']}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{order['ticker']} in {order['account']} is not {outcome}: IBKR asked",
            text=order["reason"].removeprefix("Not confirmed: "),
            href=_of_order(team, order["code"]),
            action="See the order",
            alarm=True,
            since=moment(order, "changed_at"),
        )


def _unprotected_rows(team: Team, now: datetime) -> QuerySet[Position]:
    return with_facts(unprotected(team), **_IN_ACCOUNT, conid=F("conid"))[:MOST]


def _unprotected(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for position in sorted(facts, key=itemgetter("pk")):
        yield Need(
            key=f"position-{position['account_code']}-{position['conid']}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"{position['ticker']} in {position['account']} is not protected",
            text="Its entry came with a stop loss, and no stop works for it any more. Close it, or protect it at IBKR.",
            href=_of_account(team, position["account_code"]),
            action="See it",
            alarm=True,
        )


def _doubtful_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders whose answer was lost, and ways out that IBKR has and holds back."""
    unsure = Q(status__in=[str(OrderStatus.UNKNOWN), str(OrderStatus.NEEDS_ATTENTION)])
    held = Q(role__in=_WAYS_OUT, status__in=[str(status) for status in WORKING]) & ~Q(held_reason="")
    columns = ("code", "ticker", "side", "status", "held_reason", "changed_at", "reason", "reason_code")
    # As text: a number of JSON would lose what a decimal keeps.
    quantity = Cast("quantity", TextField())
    rows = Order.objects.filter(unsure | held, team=team).order_by("-changed_at", "-pk")
    return with_facts(rows, quantity=quantity, **{name: F(name) for name in columns})[: 2 * MOST]


def _doubts(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        matter, meaning = _doubt(order)
        yield Need(
            key=f"order-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"{order['side'].capitalize()} {grouped(Decimal(order['quantity']))} {order['ticker']}: {matter}",
            text=meaning,
            href=_of_order(team, order["code"]),
            action="See the order",
            alarm=True,
            since=moment(order, "changed_at"),
        )


def _doubt(order: Facts) -> tuple[str, str]:
    if order["status"] == OrderStatus.UNKNOWN:
        matter = "IBKR does not show it any more" if order["reason_code"] == NOT_SHOWN else "IBKR's answer was lost"
        return matter, "Halyard is asking IBKR for it by its reference, and sends nothing again until it knows."
    if order["status"] == OrderStatus.NEEDS_ATTENTION:
        why = order["reason"].rstrip(".") or "Nothing that IBKR shows decides it"
        meaning = f"{why}. Look in TWS or Client Portal, and say on its page what is true."
        return "only you can tell whether IBKR has it", meaning
    return "IBKR holds it back", f"{order['held_reason'].rstrip('.')}. Until it works, it does not close the position."


def _orphan_rows(team: Team, now: datetime) -> QuerySet[ForeignOrder]:
    """Working orders that bear our reference and are in no row, until somebody says what is to become of them."""
    same = {name: OuterRef(name) for name in ("reference", "conid", "side")}
    ours = Q(reference__startswith=f"{REFERENCE_PREFIX}-") & ~Exists(Order.objects.filter(**same))
    open_rows = ForeignOrder.objects.filter(team=team, left_at=None, cancel_asked_at=None)
    asked_about = open_rows.filter(ours | Q(second_of__isnull=False), account__connection__removed_at=None)
    rows = asked_about.order_by("pk")
    columns = {name: F(name) for name in ("code", "side", "first_seen_at", "broker_order_id", "second_of_id")}
    remaining = Cast("remaining", TextField())
    return with_facts(rows, **_IN_ACCOUNT, **columns, remaining=remaining)[:MOST]


def _orphans(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for row in sorted(facts, key=itemgetter("pk")):
        name = f"{row['side'].capitalize()} {grouped(Decimal(row['remaining']))} {row['ticker']}"
        title = f"{name} works in {row['account']} with Halyard's reference, and no order here knows it"
        text = (
            "The database may be older than the order, or another Halyard placed it. Adopt it, cancel it, or leave it."
        )
        if row["second_of_id"]:
            title = f"{name} works in {row['account']} and looks like a change of an order of Halyard's"
            text = "The answer to that change was lost, so IBKR may have two orders for one. Adopt it, cancel it, or leave it."
        yield Need(
            key=f"orphan-{row['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=title,
            text=text,
            href=reverse("foreign_order", args=[team.code, row["code"]]),
            action="Decide",
            alarm=True,
            since=moment(row, "first_seen_at"),
        )


def _unclaimed_rows(team: Team, now: datetime) -> QuerySet[UnclaimedOrder]:
    """Orders that have filled and are in no row, until somebody says whose they are."""
    rows = asked().filter(team=team, account__connection__removed_at=None)
    columns = {name: F(name) for name in ("code", "side", "filled_at", "second_of_id")}
    return with_facts(rows, **_IN_ACCOUNT, **columns, filled=Cast("filled", TextField()))[:MOST]


def _unclaimed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for row in sorted(facts, key=itemgetter("pk")):
        name = f"{row['side'].capitalize()} {grouped(Decimal(row['filled']))} {row['ticker']}"
        title = f"{name} filled in {row['account']} with Halyard's reference, and no order here knows it"
        text = "The database may be older than the order, or another Halyard placed it. Adopt it, or leave it."
        if row["second_of_id"]:
            title = f"{name} filled in {row['account']} and looks like a change of an order of Halyard's"
            text = "The answer to that change was lost, so two orders may have traded for one. Adopt it, or leave it."
        yield Need(
            key=f"unclaimed-{row['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=title,
            text=f"{text} Until then nothing is opened in {row['ticker']} there.",
            href=reverse("unclaimed_order", args=[team.code, row["code"]]),
            action="Decide",
            alarm=True,
            since=moment(row, "filled_at"),
        )


def _second_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders that IBKR has beside the one they were to change, until a person keeps both or cancels one."""
    rows = undecided().filter(team=team).order_by("-pk")
    columns = {name: F(name) for name in ("code", "side", "created_at")}
    return with_facts(rows, **_IN_ACCOUNT, **columns, quantity=Cast("quantity", TextField()))[:MOST]


def _seconds(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        name = f"{order['side']} {grouped(Decimal(order['quantity']))} {order['ticker']}"
        yield Need(
            key=f"second-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"IBKR has two orders for one in {order['account']}: {name} is the second",
            text="A change's answer was lost, and IBKR kept the old order beside the new one. Keep both, or cancel one.",
            href=_of_order(team, order["code"]),
            action="Decide",
            alarm=True,
            since=moment(order, "created_at"),
        )


def _lost_rows(team: Team, now: datetime) -> QuerySet[Connection]:
    rows = Connection.objects.filter(team=team, enabled=True).exclude(session_reason="")
    lost = rows.exclude(session_status__in=[str(SessionStatus.ACTIVE), str(SessionStatus.CONNECTING)])
    columns = ("code", "name", "session_status", "session_reason", "session_action", "session_changed_at")
    return with_facts(lost.order_by("pk"), **{name: F(name) for name in columns})[:_MOST_LOST]


def _sessions(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
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


def _of_account(team: Team, code: str) -> str:
    return reverse("account", args=[team.code, code])


def _of_order(team: Team, code: str) -> str:
    return reverse("order", args=[team.code, code])


def _notice_rows(team: Team, now: datetime) -> QuerySet[Notice]:
    """Sign-ins that are due before a market opens; what cannot trade already says so by its session."""
    rows = Notice.objects.filter(
        connection__team=team, connection__enabled=True, settled_at=None, kind=str(NoticeKind.WEEKLY_SIGN_IN)
    )
    ahead = rows.filter(opens_at__gt=now).order_by("opens_at", "pk")
    columns = {"name": F("connection__name"), "code": F("connection__code"), "event": F("event")}
    return with_facts(ahead, **columns, opens_at=F("opens_at"), created_at=F("created_at"))[:MOST]


def _notices(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
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


def _unaddressed_rows(team: Team, now: datetime) -> QuerySet[Dispatch]:
    """Owners whom a notice of today could not reach, since nobody knows that their address is theirs."""
    rows = Dispatch.objects.filter(
        notice__connection__team=team, status=str(DispatchStatus.NO_ADDRESS), due_at__gte=now - REMEMBERED
    )
    newest = rows.order_by("user_id", "-pk").distinct("user_id").values("pk")
    return with_facts(Dispatch.objects.filter(pk__in=newest).order_by("pk"), email=F("user__email"))[:MOST]


def _unaddressed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
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


def _symbol_rows(team: Team, now: datetime) -> QuerySet[ContractLookup]:
    """Symbols that several contracts share, of connections in use."""
    rows = ContractLookup.objects.filter(connection__team=team, connection__enabled=True, candidates__isnull=False)
    return with_facts(rows.order_by("ticker", "pk"), ticker=F("ticker"), asked_at=F("asked_at"))[: 2 * MOST]


def _symbols(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
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


NEEDS = [
    Kind(name="missing stops", rows=_lapse_rows, lines=_lapses),
    Kind(name="failed closings", rows=_unclosed_rows, lines=_unclosed),
    Kind(name="unconfirmed ways out", rows=_declined_rows, lines=_declined),
    Kind(name="positions without a stop", rows=_unprotected_rows, lines=_unprotected),
    Kind(name="orders in doubt", rows=_doubtful_rows, lines=_doubts),
    Kind(name="orders in no row", rows=_orphan_rows, lines=_orphans),
    Kind(name="filled orders in no row", rows=_unclaimed_rows, lines=_unclaimed),
    Kind(name="second orders", rows=_second_rows, lines=_seconds),
    Kind(name="symbols to choose", rows=_symbol_rows, lines=_symbols),
    Kind(name="lost sessions", rows=_lost_rows, lines=_sessions),
    Kind(name="sign-ins ahead", rows=_notice_rows, lines=_notices),
    Kind(name="addresses not confirmed", rows=_unaddressed_rows, lines=_unaddressed),
]
