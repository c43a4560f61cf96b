"""Ways out that failed, and positions without their stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, TextField
from django.db.models.functions import Cast

from accounts.feed.needs import Facts, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.actions.reading import State
from brokers.domain.orders import MAY_FILL, AssetClass, OrderStatus, Role, Side
from brokers.domain.sentences import grouped
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    CorporateAction,
    Execution,
    ForeignOrder,
    Lapse,
    Order,
    Position,
    SubmissionAttempt,
)
from brokers.models.options.columns import legs
from brokers.models.options.combos import holds
from brokers.models.protection import STOPS
from brokers.needs.lines import IN_ACCOUNT, MOST, REMEMBERED, WAYS_OUT, of_account, of_order

_CAME_TO_NOTHING = [
    str(each) for each in (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
]


def unprotected(team: Team) -> QuerySet[Position]:
    """Positions whose entry came with a stop loss and in which none works any more."""
    # What was split is held under another number than it was bought by, and its stop is under the old one.
    renumbered = ContractLookup.objects.filter(
        connection=OuterRef("account__connection_id"),
        conid=OuterRef("conid"),
        # The other month of a future is another holding.
        asset_class__in=[str(AssetClass.STOCK), str(AssetClass.OPTION)],
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


def lapse_rows(team: Team, now: datetime) -> QuerySet[Lapse]:
    """Stops that are missing, where a person is needed."""
    columns = ("code", "happened", "did", "can_do", "changed_at", "conid")
    rows = Lapse.objects.filter(team=team, ended_at=None, alarm=True).order_by("-pk")
    facts = {name: F(name) for name in columns}
    return with_facts(rows, **IN_ACCOUNT, **facts, stop_code=F("stop__code"), entry_code=F("entry__code"))[:MOST]


def lapses(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for lapse in sorted(facts, key=itemgetter("pk"), reverse=True):
        code = lapse["stop_code"] or lapse["entry_code"]
        yield Need(
            key=f"lapse-{lapse['code']}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"{lapse['ticker']} in {lapse['account']} is without its stop",
            text=f"{lapse['happened']} {lapse['did']} {lapse['can_do']}",
            href=of_order(team, code) if code else of_account(team, lapse["account_code"]),
            action="See it",
            alarm=True,
            since=moment(lapse, "changed_at"),
        )


def unclosed_rows(team: Team, now: datetime) -> QuerySet[Closing]:
    """Closes that have failed while what they were of is held: of a combo either leg, or what a split has made of one."""
    positions = Position.objects.filter(account_id=OuterRef("account_id"))
    of_legs = Q(conid__in=legs(OuterRef("conid")))
    made = CorporateAction.objects.filter(
        Q(conid_before__in=legs(OuterRef("conid"))),
        Exists(positions.filter(conid=OuterRef("conid"))),
        account_id=OuterRef("account_id"),
        state__in=[str(State.KNOWN), str(State.SAID)],
    )
    in_combo = Q(conid__lt=0) & (Exists(positions.filter(of_legs)) | Exists(made))
    failed = Closing.objects.filter(team=team, status=Closing.Status.FAILED, ended_at__gte=now - REMEMBERED)
    rows = failed.filter(Exists(positions.filter(conid=OuterRef("conid"))) | in_combo).order_by("-ended_at")
    return with_facts(rows, **IN_ACCOUNT, code=F("code"), note=F("note"), ended_at=F("ended_at"))[:MOST]


def unclosed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for each in sorted(facts, key=itemgetter("ended_at"), reverse=True):
        yield Need(
            key=f"closing-{each['code']}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{each['ticker']} in {each['account']} could not be closed",
            text=each["note"],
            href=of_account(team, each["account_code"]),
            action="See the account",
            alarm=True,
            since=moment(each, "ended_at"),
        )


def declined(team: Team, now: datetime) -> QuerySet[Order]:
    """Ways out that IBKR asked about and nobody confirmed, while the position is held and nothing else closes it."""
    here = {"account_id": OuterRef("account_id"), "conid": OuterRef("conid")}
    replies = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.REPLY, request__confirmed=False
    )
    later = Order.objects.filter(**here, pk__gt=OuterRef("pk"), side=OuterRef("side"), role=OuterRef("role"))
    closing = Closing.objects.filter(**here, asked_at__gte=OuterRef("created_at"))
    return (
        Order.objects.filter(
            Q(side=str(Side.SELL)) & holds(1) | Q(side=str(Side.BUY)) & holds(-1),
            Exists(replies),
            team=team,
            role__in=WAYS_OUT,
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


def declined_rows(team: Team, now: datetime) -> QuerySet[Order]:
    columns = ("code", "role", "reason", "changed_at")
    return with_facts(declined(team, now), **IN_ACCOUNT, **{name: F(name) for name in columns})[:MOST]


def declined_lines(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        outcome = "closed" if order["role"] == Role.EXIT else "protected as planned"
        yield Need(
            key=f"declined-{order['code']}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{order['ticker']} in {order['account']} is not {outcome}: IBKR asked",
            text=order["reason"].removeprefix("Not confirmed: "),
            href=of_order(team, order["code"]),
            action="See the order",
            alarm=True,
            since=moment(order, "changed_at"),
        )


def unprotected_rows(team: Team, now: datetime) -> QuerySet[Position]:
    return with_facts(unprotected(team), **IN_ACCOUNT, conid=F("conid"), before=F("conid_before"))[:MOST]


def _why_unprotected(before: int | None) -> str:
    """Why no stop works, and what to do. `before`: the contract's number from before a split, None where there was none."""
    if before is None:
        return "Its entry came with a stop loss, and no stop works for it any more. Close it, or protect it at IBKR."
    return (
        f"IBKR lists it under another number than {before} since a split or another change of the share, and its stop was "
        "under the old one. IBKR does not say by which ratio prices changed, so Halyard cannot place the stop again at the "
        "price that is meant. Place it at IBKR, or close the position."
    )


def unprotected_lines(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for position in sorted(facts, key=itemgetter("pk")):
        yield Need(
            key=f"position-{position['account_code']}-{position['conid']}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"{position['ticker']} in {position['account']} is not protected",
            text=_why_unprotected(position["before"]),
            href=of_account(team, position["account_code"]),
            action="See it",
            alarm=True,
        )


def missed_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Entries of advisors' groups whose fills IBKR has not told, while an account may hold of them."""
    in_accounts = {"account__connection": OuterRef("connection_id"), "conid": OuterRef("conid")}
    held = Position.objects.filter(**in_accounts).exclude(quantity=0)
    not_read = BrokerageAccount.objects.filter(connection=OuterRef("connection_id")).exclude(
        Q(kind=BrokerageAccount.Kind.ADVISOR) | Q(book_as_of__gt=OuterRef("changed_at"))
    )
    rows = Order.objects.filter(Exists(held) | Exists(not_read), team=team).whose_fills_are_missed()
    fills = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order")
    told = Subquery(fills.values(all=Cast(Sum("quantity"), TextField())))
    columns = ("code", "ticker", "changed_at")
    facts = {"group": F("fa_group"), "filled": Cast("filled_quantity", TextField()), "told": told}
    return with_facts(rows.order_by("-pk"), **{name: F(name) for name in columns}, **facts)[:MOST]


def missed_lines(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for entry in sorted(facts, key=itemgetter("pk"), reverse=True):
        filled, told = Decimal(entry["filled"]), Decimal(entry["told"] or 0)
        yield Need(
            key=f"missed-{entry['code']}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"IBKR has not told who of {entry['group']} got {grouped(filled - told)} of {grouped(filled)} {entry['ticker']}",
            text="What is not told has no stop and no target. Halyard asks IBKR again and again, and places them when it is told. "
            "Look at the positions of the group's accounts, and protect them there.",
            href=of_order(team, entry["code"]),
            action="See the entry",
            alarm=True,
            since=moment(entry, "changed_at"),
        )
