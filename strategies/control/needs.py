"""What needs somebody now, beside orders in doubt and lost sessions: approvals, stops, lockouts, closings, protection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.urls import reverse

from accounts.models import Team
from brokers.book import day_ledger
from brokers.domain.orders import MAY_FILL, OrderStatus, Role, Side
from brokers.domain.questions import WAYS_OUT
from brokers.models import BrokerageAccount, Closing, Order, Position, SubmissionAttempt
from strategies.control import halt
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Decision, Guard

# A closing that failed longer ago was dealt with, or it is no emergency any more.
REMEMBERED = timedelta(days=1)
MOST = 5
_CAME_TO_NOTHING = [
    str(each) for each in (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
]


@dataclass(frozen=True, slots=True)
class Need:
    """One line: what is the matter, what it means, and where to go."""

    symbol: str
    title: str
    text: str
    href: str
    action: str


def needs(team: Team, now: datetime) -> list[Need]:
    """What waits for a person, the most pressing first."""
    stopped_or_locked = ~Q(halt=str(Halt.NOTHING)) | Q(lockout_until__gt=now)
    limited = Q(max_daily_loss__isnull=False) | Q(max_daily_profit__isnull=False)
    guards = list(
        halt.widest_first(Guard.objects.filter(stopped_or_locked | limited, team=team)).select_related("locked_by")
    )
    return [
        *_unclosed(team, now),
        *_declined(team, now),
        *_unprotected(team),
        *_approvals(team, now),
        *_stopped(guards),
        *_locked(guards, now),
        *_unknown(team, guards, now),
    ]


def unprotected(team: Team) -> QuerySet[Position]:
    """Positions whose entry came with a stop loss and in which none works any more."""
    here = Order.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"))
    stops = here.filter(role=str(Role.STOP_LOSS))
    alive = stops.filter(status__in=[str(status) for status in MAY_FILL])
    entries = here.filter(role=str(Role.ENTRY), filled_quantity__gt=0)
    last = entries.order_by("-pk").values("ticket_id")[:1]
    had_stop_loss = Exists(Order.objects.filter(ticket_id=OuterRef("last_ticket"), role=str(Role.STOP_LOSS)))
    closing = Closing.objects.filter(
        account_id=OuterRef("account_id"), conid=OuterRef("conid"), status=Closing.Status.OPEN
    )
    rows = Position.objects.filter(team=team).annotate(last_ticket=last).filter(had_stop_loss).exclude(Exists(alive))
    return rows.exclude(Exists(closing)).select_related("account").order_by("pk")


def _unclosed(team: Team, now: datetime) -> Iterator[Need]:
    still_held = Position.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"))
    failed = Closing.objects.filter(team=team, status=Closing.Status.FAILED, ended_at__gte=now - REMEMBERED)
    for each in failed.filter(Exists(still_held)).select_related("account").order_by("-ended_at")[:MOST]:
        title = f"{each.ticker} in {each.account.account_id} could not be closed"
        yield Need("alert", title, each.note, _of_account(team, each.account.code), "See the account")


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
            role__in=[str(role) for role in WAYS_OUT],
            status=str(OrderStatus.REJECTED),
            changed_at__gte=now - REMEMBERED,
        )
        .exclude(Exists(later.exclude(status__in=_CAME_TO_NOTHING)))
        # Superseded by a later one that was declined too; a closing speaks for itself.
        .exclude(Exists(later.filter(status=str(OrderStatus.REJECTED))))
        .exclude(Exists(closing))
        .select_related("account")
        .order_by("-pk")
    )


def _declined(team: Team, now: datetime) -> Iterator[Need]:
    for order in declined(team, now)[:MOST]:
        what = "closed" if order.role == Role.EXIT else "protected as planned"
        title = f"{order.ticker} in {order.account.account_id} is not {what}: IBKR asked"
        reason = order.reason.removeprefix("Not confirmed: ")
        yield Need("alert", title, reason, reverse("order", args=[team.code, order.code]), "See the order")


def _unprotected(team: Team) -> Iterator[Need]:
    for position in unprotected(team)[:MOST]:
        where = f"{position.ticker} in {position.account.account_id}"
        text = "Its entry came with a stop loss, and no stop works for it any more. Close it, or protect it at IBKR."
        yield Need("shield", f"{where} is not protected", text, _of_account(team, position.account.code), "See it")


def _approvals(team: Team, now: datetime) -> Iterator[Need]:
    waiting = Decision.objects.filter(team=team, status=Decision.Status.PROPOSED, expires_at__gt=now)
    totals = waiting.aggregate(count=Count("pk"), first=Min("expires_at"))
    if totals["count"]:
        minutes = max(1, round((totals["first"] - now).total_seconds() / 60))
        title = "1 plan waits for an answer" if totals["count"] == 1 else f"{totals['count']} plans wait for an answer"
        text = f"The first of them expires within {minutes} minute{'' if minutes == 1 else 's'}."
        yield Need("inbox", title, text, reverse("approvals", args=[team.code]), "Answer")


def _stopped(guards: list[Guard]) -> Iterator[Need]:
    for guard in [each for each in guards if each.halt != Halt.NOTHING][:MOST]:
        what = "Everything is stopped" if guard.halt == Halt.EVERYTHING else "Entries are stopped"
        by = guard.halted_by.email if guard.halted_by else "Halyard"
        yield Need(
            "stop", f"{what}: {_whom(guard)}", f"{by}: {guard.halt_reason}", _of_guard(guard), "Resume or read why"
        )


def _locked(guards: list[Guard], now: datetime) -> Iterator[Need]:
    for guard in [each for each in guards if each.lockout_until and each.lockout_until > now][:MOST]:
        by = guard.locked_by.email if guard.locked_by else "A limit of the day was reached"
        title = f"No entry until {guard.lockout_until:%Y-%m-%d %H:%M} UTC: {_whom(guard)}"
        yield Need("hourglass", title, f"{by}: {guard.lockout_reason}", f"{_of_guard(guard)}#lockout", "See the guard")


def _unknown(team: Team, guards: list[Guard], now: datetime) -> Iterator[Need]:
    """Limits of the day that hold everything back, since nobody knows the day's result."""
    limited = [each for each in guards if each.max_daily_loss is not None or each.max_daily_profit is not None]
    if not limited:
        return
    accounts = list(BrokerageAccount.objects.filter(team=team).select_related("connection").order_by("pk"))
    results = day_ledger.results(accounts, now, ask=False)
    for guard in limited[:MOST]:
        own = [each for each in accounts if guard.account_id in {None, each.pk}]
        unknown = [f"{each.account_id}: {reason}" for each in own if (reason := results[each.pk].unknown)]
        if unknown:
            title = f"No entry while today's result is not known: {_whom(guard)}"
            yield Need("help", title, unknown[0], _of_guard(guard), "See the guard")


def _whom(guard: Guard) -> str:
    if guard.subscription is not None:
        return f"{guard.subscription.strategy.name} on {guard.subscription.account.account_id}"
    return str(guard.account or guard.strategy or "the whole team")


def _of_guard(guard: Guard) -> str:
    target = guard.account or guard.strategy or guard.subscription or guard.team
    return reverse("guard", args=[guard.team.code, str(Level(guard.level)), target.code])


def _of_account(team: Team, code: object) -> str:
    return reverse("account", args=[team.code, code])
