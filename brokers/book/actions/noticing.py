"""A split noticed: a holding whose size and average have changed by one ratio, or that bears another contract number.

What follows is written in the transaction that replaces our copy of the positions, whose account is locked: the next
reading is compared with the numbers of after the split. So no process follows a split twice, also where another one died.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.feed.needs import needs_changed
from brokers.book.actions import adjusting
from brokers.domain.actions import names, options
from brokers.domain.actions.reading import Dealt, Doubtful, Held, Plain, Ratio, State, may_have_been_flat, read
from brokers.domain.brokerage import PositionFacts
from brokers.domain.contracts.combos import sign_in
from brokers.domain.contracts.options import named
from brokers.domain.orders import SIZED_BY_THE_BROKER, AssetClass, Side
from brokers.models import BrokerageAccount, CorporateAction, Execution, Order
from brokers.models.options import combos
from brokers.models.unclaimed import MEETS
from brokers.rulebook.products.cfds import is_on_share

CorporateActions = QuerySet[CorporateAction]
# A list of positions may show fills for so long before they are told.
TOLD_WITHIN = timedelta(seconds=30)
# A name is changed in our copy with this reading: what is not taken now is never seen again.
NEVER = datetime.min.replace(tzinfo=UTC)
_MAY_HAVE_FILLED = [str(status) for status in SIZED_BY_THE_BROKER]


@dataclass(frozen=True, slots=True)
class Was:
    """What was held of a contract by the last reading that is explained, and when IBKR was asked for it."""

    quantity: Decimal
    average: Decimal | None
    ticker: str
    asset_class: str
    currency: str
    at: datetime

    @property
    def held(self) -> Held:
        return Held(quantity=self.quantity, average=self.average)


def take(
    account: BrokerageAccount,
    before: Mapping[int, Was],
    held: Mapping[int, PositionFacts],
    unexplained: Mapping[int, datetime],
    as_of: datetime,
) -> set[int]:
    """Write down the splits among these changes, and what follows from them; returns the contracts they explain.

    `unexplained`: since when each change is seen.
    """
    explained: set[int] = set()
    shares = ((*pair, None) for pair in _pairs(before, held, set(unexplained)))
    for was_under, is_under, by_name in chain(shares, _options(before, held, set(unexplained))):
        was, fact = before[was_under], held[is_under]
        now = Held(quantity=fact.quantity, average=fact.average_cost)
        fills = fills_of(account, {was_under, is_under}, was.at, as_of)
        renumbered = was_under != is_under or by_name is not None
        seen = read(was.held, now, [fill.dealt for fill in fills], renumbered=renumbered)
        if seen is None:
            continue
        if by_name is not None and isinstance(seen, Plain) and seen.ratio != by_name:
            seen = Doubtful(ratios=(by_name,))
        untold = _untold(account, is_under, was.at)
        # What fills may explain that are on their way: also a sale here and a purchase of the same name there.
        traded = bool(fills) or any(untold) or (was_under != is_under and not isinstance(seen, Plain))
        if traded and as_of - unexplained.get(was_under, NEVER) < TOLD_WITHIN:
            continue
        if isinstance(seen, Plain) and may_have_been_flat(was.quantity, [fill.dealt.signed for fill in fills], untold):
            seen = Doubtful(ratios=(seen.ratio,))
        action = CorporateAction(
            team_id=account.team_id,
            account=account,
            ticker=names.ours(was.ticker, fact.ticker) if by_name is None else fact.ticker,
            ticker_before="" if by_name is None else was.ticker,
            conid_before=was_under,
            conid=is_under,
            quantity_before=was.quantity,
            average_before=was.average,
            quantity=now.quantity,
            average=now.average,
            before_at=was.at,
            split_at=was.at,
            seen_at=max(as_of, was.at),
            state=State.ASKED,
        )
        if isinstance(seen, Plain):
            if seen.place:
                action.split_at = min(max(fills[seen.place - 1].at, was.at), action.seen_at)
            if _keep_known(action, seen.ratio, seen.fraction):
                explained |= {was_under, is_under}
        else:
            _ask(action)
    return explained


def _pairs(
    before: Mapping[int, Was], held: Mapping[int, PositionFacts], unexplained: set[int]
) -> Iterator[tuple[int, int]]:
    """Shares and CFDs on them that are held in another size, and those that are held under another number than before."""
    shares = {conid: was for conid, was in before.items() if was.quantity and _may_be_split(was)}
    for conid in sorted(unexplained & shares.keys() & held.keys()):
        yield conid, conid
    gone = {conid: was for conid, was in shares.items() if conid in unexplained and conid not in held}
    come = [conid for conid in unexplained & held.keys() if conid not in before or not before[conid].quantity]
    for conid, was in sorted(gone.items()):
        named = [
            each
            for each in come
            if held[each].currency == was.currency
            and names.are_one(held[each].ticker, was.ticker)
            and held[each].asset_class in {was.asset_class, ""}
        ]
        if len(named) == 1:
            yield conid, named[0]


def renamed(before: Mapping[int, Was], held: Mapping[int, PositionFacts]) -> set[int]:
    """The options that bear their number still, under another name: of another strike or class."""
    return {
        conid
        for conid in before.keys() & held.keys()
        if before[conid].asset_class == AssetClass.OPTION and held[conid].asset_class == AssetClass.OPTION
        if before[conid].ticker != held[conid].ticker
        if (was := named(before[conid].ticker)) is not None and (now := named(held[conid].ticker)) is not None
        if options.became(was, now) is not None
    }


def _options(
    before: Mapping[int, Was], held: Mapping[int, PositionFacts], unexplained: set[int]
) -> Iterator[tuple[int, int, Ratio]]:
    """Options that are held under another name than before, with the ratio that their names tell."""
    same = renamed(before, held)
    gone = {
        conid: options.Listed(name=name, currency=was.currency, held=was.held)
        for conid, was in before.items()
        if was.asset_class == AssetClass.OPTION and was.quantity and (name := named(was.ticker)) is not None
        if conid in same or (conid in unexplained and conid not in held)
    }
    if not gone:
        return
    come = {
        conid: options.Listed(
            name=name, currency=fact.currency, held=Held(quantity=fact.quantity, average=fact.average_cost)
        )
        for conid, fact in held.items()
        if fact.asset_class == AssetClass.OPTION and (name := named(fact.ticker)) is not None
        if conid in same or (conid in unexplained and (conid not in before or not before[conid].quantity))
    }
    yield from options.pairs(gone, come)


def _may_be_split(was: Was) -> bool:
    """A share, or a CFD on one, which is split with it."""
    return was.asset_class == AssetClass.STOCK or (was.asset_class == AssetClass.CFD and is_on_share(was.ticker))


@dataclass(frozen=True, slots=True)
class Told:
    """A fill, and when it was dealt."""

    dealt: Dealt
    at: datetime


def fills_of(account: BrokerageAccount, conids: set[int], since: datetime, until: datetime) -> list[Told]:
    """The fills of these contracts that were told between two readings, as they were dealt."""
    rows = Execution.objects.filter(account=account, conid__in=conids, seen_at__gt=since, seen_at__lte=until)
    return [
        Told(Dealt(signed=quantity * Side(side).sign, price=price), at)
        for side, quantity, price, at in rows.order_by("executed_at", "pk").values_list(
            "side", "quantity", "price", "executed_at"
        )
    ]


def _untold(account: BrokerageAccount, conid: int, since: datetime) -> list[Decimal]:
    """What each order of ours that was sent since then, or has filled since, may have dealt without a fill told; signed.

    A sale and a purchase for the same money leave the cost as it was too, and the list of positions may be ahead of both.
    """
    after = since - MEETS
    dealt = Q(submitted_at__gt=after) | Q(changed_at__gt=after, filled_quantity__gt=0)
    by_itself = Order.objects.filter(dealt, account=account, conid=conid)
    single = by_itself.annotate(executed=Coalesce(Sum("executions__quantity"), Decimal(0)))
    in_combos = combos.with_leg(account.pk, conid).filter(dealt).annotate(executed=combos.executed_in(conid))
    return [
        max((quantity if status in _MAY_HAVE_FILLED else filled) - executed, Decimal(0))
        * Side(side).sign
        * (sign_in(number, conid) or 1)
        for rows in (single, in_combos)
        for number, side, status, quantity, filled, executed in rows.values_list(
            "conid", "side", "status", "quantity", "filled_quantity", "executed"
        )
    ]


def _keep_known(action: CorporateAction, ratio: Ratio, fraction: Decimal) -> bool:
    """A split by its figures; where a person was asked about it, the figures have answered. A person's word stands."""
    asked = _same(action).filter(state=str(State.ASKED)).first()
    if asked is not None:
        action.pk, action.code, action.before_at = asked.pk, asked.code, asked.before_at
        action.quantity_before, action.average_before = asked.quantity_before, asked.average_before
    elif _is_written(action):
        return False
    action.state, action.new, action.old, action.fraction = State.KNOWN, ratio.new, ratio.old, fraction
    action.save()
    adjusting.follow(action, ratio, None)
    return True


def _ask(action: CorporateAction) -> None:
    """Ask a person once; who has said that it was no split is not asked again about the same reading."""
    asked = CorporateAction.objects.filter(account=action.account, conid=action.conid, state=str(State.ASKED))
    if not _is_written(action) and not asked.exists():
        action.save()
        adjusting.hold(action)


def _is_written(action: CorporateAction) -> bool:
    rows = CorporateAction.objects.filter(account=action.account, conid_before=action.conid_before)
    return rows.filter(before_at=action.before_at).exists()


def _same(action: CorporateAction) -> CorporateActions:
    return CorporateAction.objects.filter(
        account=action.account, conid=action.conid, conid_before=action.conid_before
    ).order_by("-pk")


def withdraw(account: BrokerageAccount, conid: int, as_of: datetime) -> None:
    """Fills have explained the change that a person was asked about: it was no split."""
    asked = CorporateAction.objects.filter(account=account, state=str(State.ASKED))
    if (asked.filter(conid=conid) | asked.filter(conid_before=conid)).update(state=str(State.NONE), decided_at=as_of):
        needs_changed(account.team_id)
