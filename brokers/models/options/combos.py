"""Combos that orders of ours hold or work, by their legs, and what their orders do to what is held of a leg."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from brokers.domain.contracts.combos import BITS, MOST, combo_named, held, legs_of, sign_in
from brokers.domain.orders import MAY_FILL, Side
from brokers.models.accounts import Position
from brokers.models.orders import Order
from brokers.models.records import Execution

ZERO = Decimal(0)
# An account and the number of a contract.
Place = tuple[int, int]
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


def load(accounts: Collection[int]) -> dict[Place, tuple[HeldCombo, ...]]:
    """By account and contract of a leg, the combos of which it is a leg: those that are held by both legs, or worked."""
    return by_leg(sums(accounts))


def sums(accounts: Collection[int]) -> QuerySet[Order, Any]:
    """Each combo that orders of ours have filled or work in: account, number, name, bought less sold, how many orders may
    fill or have since the account's book was read, and what IBKR shows of its long and of its short leg. By one moment of the database."""
    signed = Case(When(side=str(Side.BUY), then=F("filled_quantity")), default=-F("filled_quantity"))
    orders = Order.objects.filter(Q(filled_quantity__gt=0) | _MAY_FILL, account__in=accounts, conid__lt=0)
    rows = orders.order_by().values("account_id", "conid", "ticker")
    # What has changed since the book was read counts as what works: its legs may lack it yet.
    moving = _MAY_FILL | Q(changed_at__gt=F("account__book_as_of"))
    summed = rows.annotate(net=Sum(signed), works=Count("pk", filter=moving)).filter(~Q(net=0) | Q(works__gt=0))
    listed = Position.objects.filter(account=OuterRef("account_id"))
    long, short = (Subquery(listed.filter(conid=leg).values("quantity")[:1]) for leg in _legs(OuterRef("conid")))
    summed = summed.annotate(long=Coalesce(long, ZERO), short=Coalesce(short, ZERO))
    return summed.values_list("account_id", "conid", "ticker", "net", "works", "long", "short")


def _legs(number: F) -> tuple[Any, Any]:
    """The numbers of a combo's legs as PostgreSQL finds them in its own (`brokers.domain.contracts.combos.number_of`)."""
    return (-number).bitrightshift(BITS), (-number).bitand(MOST)


def by_leg(rows: Iterable[tuple[Any, ...]]) -> dict[Place, tuple[HeldCombo, ...]]:
    """Combos by account and contract of a leg, of rows as `sums` reads them.

    What our orders hold counts only as far as IBKR still shows both legs, each on its side: one may have ended, or been closed
    elsewhere. What two combos have in common counts once; where what is listed is what they make together, all are held, also
    where a leg of one is the other way round in the other, and nothing of it is listed.
    """
    found: dict[Place, list[HeldCombo]] = defaultdict(list)
    left: dict[Place, Decimal] = {}
    made: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for account_pk, number, _, signed, _, *listed in (rows := sorted(rows)):
        for leg, each in zip(legs_of(number) or (), listed, strict=True):
            left[account_pk, leg] = each
            made[account_pk, leg] += signed * sign_in(number, leg)
    apart = _apart(rows, {place for place, quantity in made.items() if not _has(left[place], quantity)})
    for account_pk, number, ticker, signed, works, *_ in rows:
        legs = legs_of(number) or ()
        still = signed
        if any((account_pk, leg) in apart for leg in legs):
            still = held(*(left[account_pk, leg] for leg in legs))
        net = min(abs(signed), abs(still)).copy_sign(still) if still * signed > 0 else ZERO
        if not net and not works:
            continue
        combo = HeldCombo(number=number, ticker=ticker, net=net, works=works > 0)
        for leg in legs:
            left[account_pk, leg] -= combo.part_of(leg)
            found[account_pk, leg].append(combo)
    return {place: tuple(combos) for place, combos in found.items()}


def _apart(rows: Sequence[tuple[Any, ...]], short: set[Place]) -> set[Place]:
    """The legs of which less is listed than combos make, with those of each combo that has one, and so on."""
    apart, known = short, -1
    while len(apart) != known:
        known = len(apart)
        for account_pk, number, *_ in rows:
            places = {(account_pk, leg) for leg in legs_of(number) or ()}
            if not places.isdisjoint(apart):
                apart = apart | places
    return apart


def _has(listed: Decimal, quantity: Decimal) -> bool:
    """Whether a holding has a signed quantity in it."""
    return not quantity or (listed * quantity > 0 and abs(listed) >= abs(quantity))


def ahead(accounts: Collection[int], latest: datetime) -> QuerySet[Order, Any]:
    """Orders for combos that are known to have filled before the executions of a leg came home, with what these say of each."""
    reported = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("quantity"))
    long, short = (
        Coalesce(Subquery(reported.filter(conid=leg).values("sum")), ZERO) for leg in _legs(OuterRef("conid"))
    )
    newer = Q(changed_at__gt=F("account__book_as_of"), changed_at__lte=latest)
    orders = Order.objects.filter(_MAY_FILL | newer, account__in=accounts, conid__lt=0, filled_quantity__gt=0)
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
    long, short = _legs(F("conid"))
    return orders.alias(long_leg=long, short_leg=short).filter(Q(long_leg=conid) | Q(short_leg=conid))


def holds(sign: int) -> Q:
    """Whether the account of an order holds something of what it is in, long or short by `sign`; of a combo each of its legs,
    on its side. As a condition of orders."""
    listed = Position.objects.filter(account=OuterRef("account"))
    signs = {True: Q(quantity__gt=0), False: Q(quantity__lt=0)}
    long, short = (
        Exists(listed.filter(signs[side], conid=leg))
        for side, leg in zip((sign > 0, sign < 0), _legs(OuterRef("conid")), strict=True)
    )
    return Q(Exists(listed.filter(signs[sign > 0], conid=OuterRef("conid")))) | Q(conid__lt=0) & long & short


def executed_in(conid: int) -> Any:
    """What the fills of an order, as its executions tell them, are in one contract."""
    return Coalesce(Sum("executions__quantity", filter=Q(executions__conid=conid)), ZERO)


def numbers_beside(account_pk: int, conid: int) -> set[int]:
    """Every number under which orders of ours move what is held of a contract, or of a combo's legs: its own, those of the
    combos with it or with one of its legs, and those legs."""
    numbers, legs = {conid}, legs_of(conid)
    for leg in legs or (conid,):
        numbers |= {leg, *with_leg(account_pk, leg).order_by().values_list("conid", flat=True).distinct()}
    return numbers
