"""Orders of which somebody has to say what is true, or what IBKR is to be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum, TextField
from django.db.models.functions import Cast, Coalesce

from accounts.feed.needs import Facts, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.contracts.combos import combo_named
from brokers.domain.doubts.evidence import NOT_SHOWN
from brokers.domain.doubts.limits import DOES_NOT_CANCEL, WORKS_ON
from brokers.domain.orders import MAY_FILL, WORKING, OrderStatus
from brokers.domain.sentences import grouped
from brokers.models import Execution, Order, OrderPrompt
from brokers.models.options.columns import legs
from brokers.models.seconds import undecided
from brokers.needs.lines import IN_ACCOUNT, MOST, REMEMBERED, WAYS_OUT, of_order

# IBKR tells of both legs of a combo within moments; and for so long after the last fill it tells of the missing one, if ever.
TOLD_WITHIN, MISSED_FOR = timedelta(minutes=1), timedelta(days=4)
# One that fills moves with it; behind that lie all that a team ever had.
MOVED_WITHIN = timedelta(days=30)
_NONE = Decimal(0)


def doubtful_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders whose answer was lost, and ways out that IBKR has and holds back."""
    unsure = Q(status__in=[str(OrderStatus.UNKNOWN), str(OrderStatus.NEEDS_ATTENTION)])
    held = Q(role__in=WAYS_OUT, status__in=[str(status) for status in WORKING]) & ~Q(held_reason="")
    columns = ("code", "ticker", "side", "status", "held_reason", "changed_at", "reason", "reason_code")
    # As text: a number of JSON would lose what a decimal keeps.
    quantity = Cast("quantity", TextField())
    rows = Order.objects.filter(unsure | held, team=team).order_by("-changed_at", "-pk")
    return with_facts(rows, quantity=quantity, **{name: F(name) for name in columns})[: 2 * MOST]


def doubts(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        matter, meaning = _doubt(order)
        yield Need(
            key=f"order-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"{order['side'].capitalize()} {grouped(Decimal(order['quantity']))} {order['ticker']}: {matter}",
            text=meaning,
            href=of_order(team, order["code"]),
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


def _with_size(rows: QuerySet[Order], *columns: str) -> QuerySet[Order]:
    """These columns of orders, their account, and what `_name` says of them."""
    named = {name: F(name) for name in columns}
    return with_facts(rows, **IN_ACCOUNT, **named, quantity=Cast("quantity", TextField()))[:MOST]


def _name(order: Facts) -> str:
    """An order by its side, its size and its ticker."""
    return f"{order['side']} {grouped(Decimal(order['quantity']))} {order['ticker']}"


def uncanceled_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders that work although they were to be canceled, until they are over or IBKR is asked again."""
    working = [str(OrderStatus.ACCEPTED), str(OrderStatus.PARTIALLY_FILLED)]
    rows = Order.objects.filter(team=team, status__in=working, reason_code__in=DOES_NOT_CANCEL).order_by("-pk")
    return _with_size(rows, "code", "side", "changed_at", "reason")


def uncanceled(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        name = _name(order)
        yield Need(
            key=f"uncanceled-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"IBKR does not cancel an order in {order['account']}: {name} still works",
            text=order["reason"].removeprefix(WORKS_ON),
            href=of_order(team, order["code"]),
            action="See the order",
            alarm=True,
            since=moment(order, "changed_at"),
        )


def half_told_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders for two options as one of which IBKR has told more of one leg than of the other, and nothing more for a while."""
    fills = Execution.objects.filter(order=OuterRef("pk"))
    long, short = (
        Coalesce(Subquery(fills.filter(conid=leg).values("order").annotate(all=Sum("quantity")).values("all")), _NONE)
        for leg in legs(OuterRef("conid"))
    )
    last = Subquery(fills.order_by("-seen_at").values("seen_at")[:1])
    # Fills are counted of those alone that have moved of late.
    moved = Order.objects.filter(team=team, account__team=team, conid__lt=0, changed_at__gt=now - MOVED_WITHIN)
    rows = moved.alias(last=last, long=long, short=short)
    missed = rows.filter(last__lt=now - TOLD_WITHIN, last__gt=now - MISSED_FOR).exclude(long=F("short"))
    told = {"long": Cast(long, TextField()), "short": Cast(short, TextField()), "last": last}
    named = {name: F(name) for name in ("code", "side")}
    return with_facts(missed.order_by("-pk"), **IN_ACCOUNT, **named, **told)[:MOST]


def half_told(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        long, short = Decimal(order["long"]), Decimal(order["short"])
        name = combo_named(order["ticker"])
        less, more = ("long", "short") if long < short else ("short", "long")
        yield Need(
            key=f"half-told-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"IBKR has told {grouped(max(long, short))} of the {more} leg and {grouped(min(long, short))} of the {less} one: "
            f"{order['side']} {order['ticker'] if name is None else name.spoken} in {order['account']}",
            text="IBKR fills both legs or none, so a fill has not been told. What is decided about the combo waits for it, and Halyard "
            "reads IBKR's fills again and again. Look in TWS what is held of both legs.",
            href=of_order(team, order["code"]),
            action="See the order",
            alarm=True,
            since=moment(order, "last"),
        )


def second_rows(team: Team, now: datetime) -> QuerySet[Order]:
    """Orders that IBKR has beside the one they were to change, until a person keeps both or cancels one."""
    rows = undecided().filter(team=team).order_by("-pk")
    return _with_size(rows, "code", "side", "created_at")


def seconds(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for order in sorted(facts, key=itemgetter("pk"), reverse=True):
        name = _name(order)
        yield Need(
            key=f"second-{order['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"IBKR has two orders for one in {order['account']}: {name} is the second",
            text="A change's answer was lost, and IBKR kept the old order beside the new one. Keep both, or cancel one.",
            href=of_order(team, order["code"]),
            action="Decide",
            alarm=True,
            since=moment(order, "created_at"),
        )


def prompt_rows(team: Team, now: datetime) -> QuerySet[OrderPrompt]:
    """IBKR's prompts about orders that may still fill, which Halyard leaves to a person."""
    left = OrderPrompt.objects.filter(
        order__team=team,
        verdict=OrderPrompt.Verdict.LEFT,
        by=OrderPrompt.By.STREAM,
        seen_at__gte=now - REMEMBERED,
        order__status__in=[str(status) for status in MAY_FILL],
    )
    columns = {"ticker": F("order__ticker"), "account": F("order__account__account_id"), "code": F("order__code")}
    return with_facts(left.order_by("-pk"), **columns, text=F("text"), seen_at=F("seen_at"))[:MOST]


def prompts(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for prompt in sorted(facts, key=itemgetter("pk"), reverse=True):
        yield Need(
            key=f"prompt-{prompt['pk']}",
            urgency=Urgency.ANSWER,
            symbol="alert",
            title=f"IBKR asks about an order for {prompt['ticker']} in {prompt['account']}, and Halyard did not answer",
            text=f"“{prompt['text'][:200].rstrip('.')}”. Answer it in TWS: the order may wait for it.",
            href=of_order(team, prompt["code"]),
            action="See the order",
            since=moment(prompt, "seen_at"),
        )
