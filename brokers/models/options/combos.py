"""Combos that orders of ours hold or work, by their legs, and what their orders do to what is held of a leg."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from brokers.domain.contracts.combos import combo_named, legs_of, sign_in
from brokers.domain.orders import MAY_FILL, Side
from brokers.models.accounts import Position
from brokers.models.options.carried import carried
from brokers.models.options.columns import day, first_end, legs
from brokers.models.orders import Order
from brokers.models.records import Execution

ZERO = Decimal(0)
# An account and the number of a contract.
Place = tuple[int, int]
# More than anybody has open.
_ALL = 1_000_000
_MAY_FILL = Q(status__in=[str(status) for status in MAY_FILL])


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCombo:
    """A combo of an account: how many orders of ours have bought less sold of it, and whether one works."""

    number: int
    ticker: str
    net: Decimal
    works: bool

    @property
    def spoken(self) -> str:
        name = combo_named(self.ticker)
        return self.ticker if name is None else name.spoken

    def part_of(self, conid: int) -> Decimal:
        """How much of what is held of a contract is in it, signed as a holding."""
        return self.net * sign_in(self.number, conid)


def load(accounts: Collection[int], now: datetime) -> dict[Place, tuple[HeldCombo, ...]]:
    """By account and contract of a leg, the combos of which it is a leg: those that are held by both legs, or worked."""
    return by_leg(carried(sums(accounts, day(now))))


def names_with(account_pk: int, conid: int, now: datetime) -> set[str]:
    """The names of now of the combos that orders of ours have of a contract, whether IBKR lists both legs yet or not."""
    return {row[2] for row in carried(sums([account_pk], day(now))) if conid in (legs_of(row[1]) or ())}


def held_of(account_pk: int, number: int, now: datetime) -> Decimal:
    """How many of a combo orders of ours hold, signed; its legs need not be listed where those of others net them."""
    long, _ = legs_of(number) or (0, 0)
    return next(
        (each.net for each in load([account_pk], now).get((account_pk, long), ()) if each.number == number), ZERO
    )


def sums(accounts: Collection[int], since: str) -> QuerySet[Order, Any]:
    """Each combo that orders of ours have filled or work in, as a `Sum` reads it, but those of which a leg has ended before
    `since` (`columns.day`): nobody holds one of them any more. By one moment of the database."""
    signed = Case(When(side=str(Side.BUY), then=F("filled_quantity")), default=-F("filled_quantity"))
    orders = _that_may_be_held(accounts, since).filter(Q(filled_quantity__gt=0) | _MAY_FILL)
    rows = orders.order_by().values("account_id", "conid", "ticker")
    # What has changed since the book was read counts as what works: its legs may lack it yet.
    moving = _MAY_FILL | Q(changed_at__gt=F("account__book_as_of"))
    summed = rows.annotate(net=Sum(signed), works=Count("pk", filter=moving)).filter(~Q(net=0) | Q(works__gt=0))
    listed = Position.objects.filter(account=OuterRef("account_id"))
    both = legs(OuterRef("conid"))
    long, short = (Coalesce(Subquery(listed.filter(conid=leg).values("quantity")[:1]), ZERO) for leg in both)
    long_alone, short_alone = (Coalesce(Subquery(_bought_alone(leg)), ZERO) for leg in both)
    summed = summed.annotate(long=long, short=short, long_alone=long_alone, short_alone=short_alone)
    return summed.values_list(*Summed._fields)


class Summed(NamedTuple):
    """A combo of an account: how many orders of ours have bought less sold, and how many may fill or have since the account's
    book was read; what IBKR shows of its long and of its short leg; and what single orders of ours have bought less sold of
    each since the last one for the combo has filled."""

    account_id: int
    conid: int
    ticker: str
    net: Decimal
    works: int
    long: Decimal
    short: Decimal
    long_alone: Decimal
    short_alone: Decimal

    @property
    def places(self) -> tuple[Place, Place]:
        """The account with each leg."""
        long, short = legs_of(self.conid) or (0, 0)
        return (self.account_id, long), (self.account_id, short)

    @property
    def at_most(self) -> Decimal:
        """How many of them may be held, signed, by what single orders have filled since: where these have opened both legs anew, on
        the sides that it has them, only what is listed beyond that. Nothing is opened in a leg of what is held, so the
        combo was closed elsewhere, leg by leg.

        Where they have opened one leg alone the other is the combo's own, and its cover stays with it.
        """
        sign = 1 if self.net > 0 else -1
        opened = (sign * self.long_alone, -sign * self.short_alone)
        if min(opened) <= 0:
            return self.net
        beyond = (sign * self.long - opened[0], -sign * self.short - opened[1])
        return sign * min(abs(self.net), max(*beyond, ZERO))


def _that_may_be_held(accounts: Collection[int], since: str) -> QuerySet[Order]:
    """Orders for combos of which no leg has ended. Found in a question of its own, as the limit makes it one: beside what is then
    asked, PostgreSQL, which keeps no figures of days in names, would walk an index that is in the order it groups by."""
    live = Order.objects.alias(ends=first_end(F("ticker"))).filter(account__in=accounts, conid__lt=0, ends__gte=since)
    return Order.objects.filter(pk__in=live.order_by().values("pk")[:_ALL])


def _bought_alone(leg: Any) -> QuerySet[Order, Any]:
    """What single orders have bought less sold of a leg since the last order for the combo has filled."""
    combo = {"account": OuterRef(OuterRef("account_id")), "conid": OuterRef(OuterRef("conid"))}
    filled = Coalesce("filled_at", "changed_at")
    last = Order.objects.filter(**combo, filled_quantity__gt=0).order_by("-pk").annotate(moment=filled)
    since = {"pk__gt": Subquery(last.values("pk")[:1]), "moment__gt": Subquery(last.values("moment")[:1])}
    orders = Order.objects.filter(account=OuterRef("account_id"), conid=leg, filled_quantity__gt=0)
    signed = Case(When(side=str(Side.BUY), then=F("filled_quantity")), default=-F("filled_quantity"))
    rows = orders.annotate(moment=filled).filter(**since).order_by().values("conid")
    return rows.annotate(sum=Sum(signed)).values("sum")


def by_leg(rows: Iterable[tuple[Any, ...]]) -> dict[Place, tuple[HeldCombo, ...]]:
    """Combos by account and contract of a leg, of rows as `sums` reads them.

    What our orders hold counts only as far as IBKR still shows what all of them make of each leg, on its side: one may have
    ended, or been closed elsewhere. So what two combos have in common counts once, and where a leg of one is the other way
    round in the other, and nothing of it is listed, both are held.
    """
    summed = sorted(Summed(*row) for row in rows)
    nets = _as_far_as_listed(summed)
    found: dict[Place, list[HeldCombo]] = defaultdict(list)
    for each, net in zip(summed, nets, strict=True):
        if net or each.works:
            combo = HeldCombo(number=each.conid, ticker=each.ticker, net=net, works=each.works > 0)
            for place in each.places:
                found[place].append(combo)
    return {place: tuple(combos) for place, combos in found.items()}


def _as_far_as_listed(rows: Sequence[Summed]) -> list[Decimal]:
    """How many are held of each: all, less those that would make more of a leg than is listed of it on their side. What is
    taken from one is lacking at its other leg, where another may have it the other way round, and so on."""
    listed: dict[Place, Decimal] = {}
    made: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    with_leg: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    nets = [row.at_most for row in rows]
    for number, row in enumerate(rows):
        for place, quantity, sign in zip(row.places, (row.long, row.short), (1, -1), strict=True):
            listed[place] = quantity
            made[place] += sign * nets[number]
            with_leg[place].append((number, sign))
    looked_at = list(made)
    while looked_at:
        place = looked_at.pop()
        lacking = _lacking(listed[place], made[place])
        for number, sign in with_leg[place]:
            taken = min(abs(nets[number]), lacking) if sign * nets[number] * made[place] > 0 else ZERO
            if taken:
                signed = taken.copy_sign(nets[number])
                nets[number], lacking = nets[number] - signed, lacking - taken
                for each, its_sign in zip(rows[number].places, (1, -1), strict=True):
                    made[each] -= its_sign * signed
                looked_at += rows[number].places
    return nets


def _lacking(listed: Decimal, made: Decimal) -> Decimal:
    """How much of what combos make of a leg is not listed, on its side."""
    return max(abs(made) - abs(listed), ZERO) if listed * made > 0 else abs(made)


def ahead(accounts: Collection[int], latest: datetime, since: str) -> QuerySet[Order, Any]:
    """Orders for combos that are known to have filled before the executions of a leg came home, with what these say of each;
    but for those of which a leg has ended before `since`, as in `sums`."""
    reported = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("quantity"))
    long, short = (
        Coalesce(Subquery(reported.filter(conid=leg).values("sum")), ZERO) for leg in legs(OuterRef("conid"))
    )
    newer = Q(changed_at__gt=F("account__book_as_of"), changed_at__lte=latest)
    orders = _that_may_be_held(accounts, since).filter(_MAY_FILL | newer, filled_quantity__gt=0)
    rows = orders.annotate(long=long, short=short).filter(
        Q(filled_quantity__gt=F("long")) | Q(filled_quantity__gt=F("short"))
    )
    return rows.order_by().values_list("account_id", "conid", "side", "filled_quantity", "long", "short")


def ahead_by_leg(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, int, Decimal]]:
    """Account, contract of a leg, and the signed fills of it that no execution has told yet, of rows as `ahead` reads them."""
    for account_pk, number, side, filled, *reported in rows:
        for leg, told in zip(legs_of(number) or (), reported, strict=True):
            yield account_pk, leg, Side(side).sign * sign_in(number, leg) * max(filled - told, ZERO)


def with_leg(account_pk: int, conid: int) -> QuerySet[Order]:
    """The orders of an account for combos of which a contract is a leg."""
    orders = Order.objects.filter(account=account_pk, conid__lt=0)
    long, short = legs(F("conid"))
    return orders.alias(long_leg=long, short_leg=short).filter(Q(long_leg=conid) | Q(short_leg=conid))


def holds(sign: int) -> Q:
    """Whether the account of an order holds something of what it is in, long or short by `sign`; of a combo each of its legs,
    on its side. As a condition of orders."""
    listed = Position.objects.filter(account=OuterRef("account"))
    signs = {True: Q(quantity__gt=0), False: Q(quantity__lt=0)}
    long, short = (
        Exists(listed.filter(signs[side], conid=leg))
        for side, leg in zip((sign > 0, sign < 0), legs(OuterRef("conid")), strict=True)
    )
    return Q(Exists(listed.filter(signs[sign > 0], conid=OuterRef("conid")))) | Q(conid__lt=0) & long & short


def executed_in(conid: int) -> Any:
    """What the fills of an order, as its executions tell them, are in one contract."""
    return Coalesce(Sum("executions__quantity", filter=Q(executions__conid=conid)), ZERO)


def numbers_beside(account_pk: int, conid: int) -> set[int]:
    """Every number under which orders of ours move what is held of a contract, or of a combo's legs: its own, those of the
    combos with it or with one of its legs, and those legs."""
    numbers, both = {conid}, legs_of(conid)
    for leg in both or (conid,):
        numbers |= {leg, *with_leg(account_pk, leg).order_by().values_list("conid", flat=True).distinct()}
    return numbers
