"""Combos that are closed: what is held of one, and which ones an option is a leg of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.domain.actions import options
from brokers.domain.actions.reading import State
from brokers.domain.contracts.combos import beside, held, legs_of
from brokers.domain.orders import AssetClass
from brokers.domain.sentences import all_of, grouped
from brokers.models import BrokerageAccount, Closing, CorporateAction, Order, Position, UnexplainedChange
from brokers.models.options import carried, combos
from brokers.models.options.combos import HeldCombo
from brokers.models.unclaimed import EXPLAINED_WITHIN

CODE = "leg-of-a-combo"
# What IBKR trades combos in (`brokers.ibkr.contracts.combos`).
IN = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegHeld:
    """An option that is a leg of combos, and how much of it is held beside them."""

    conid: int
    ticker: str
    combos: tuple[HeldCombo, ...]
    alone: Decimal

    @property
    def closed_whole(self) -> str:
        """What becomes of it where all of it is in combos."""
        return f"It is a leg of {all_of(each.spoken for each in self.combos)}: that is closed as one order."

    @property
    def refusal(self) -> str:
        """Why a part of it is not closed that would leave the other leg alone."""
        whole = all_of(each.spoken for each in self.combos)
        beside = f"Of it {grouped(self.alone)} is held beside that. " if self.alone else ""
        return f"{self.ticker} is a leg of {whole}, whose other leg would be left alone. {beside}Close all of it."


def of_leg(account: BrokerageAccount, conid: int, asset_class: AssetClass | str, now: datetime) -> LegHeld | None:
    """The combos of ours that an option is held as a leg of; None where it is of none."""
    if asset_class != AssetClass.OPTION or conid < 0:
        return None
    known = [each for each in combos.load([account.pk], now).get((account.pk, conid), ()) if each.net]
    position = Position.objects.filter(account=account, conid=conid).first() if known else None
    if position is None:
        return None
    in_combos = sum((each.part_of(conid) for each in known), Decimal(0))
    return LegHeld(
        conid=conid,
        ticker=position.ticker,
        combos=tuple(known),
        alone=abs(beside(position.quantity, in_combos)),
    )


def most(order: Closing, now: datetime) -> Decimal | None:
    """How much of what a closing is in may leave by itself, unsigned: of an option what is held beside its combos, of a combo
    what is held of that; None where nothing bounds it but the position."""
    if order.conid < 0:
        held_now = held_in(order, now)
        return Decimal(0) if held_now is None else abs(held_now.quantity)
    leg = of_leg(order.account, order.conid, order.asset_class, now)
    return None if leg is None else leg.alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboHeld:
    """What is held of a combo, as a position is."""

    ticker: str
    asset_class: str
    quantity: Decimal
    average_cost: Decimal | None
    market_price: Decimal | None
    currency: str


def held_in(order: Closing | Order, now: datetime) -> Position | ComboHeld | None:
    """What the book shows of what an order or a closing is in; None where it shows none. Of a combo: never more than of
    either leg, nor what is held of them beside it."""
    positions = Position.objects.filter(account=order.account_id)
    legs = legs_of(order.conid)
    if legs is None:
        return positions.filter(conid=order.conid).first()
    by_leg = {row.conid: row for row in positions.filter(conid__in=legs)}
    long, short = (by_leg.get(leg) for leg in legs)
    quantity = _whole(order, legs, now, long, short)
    if not quantity:
        return None
    # A leg of which another combo of ours has as much the other way round is listed nowhere; both may be such.
    either = long or short
    return ComboHeld(
        ticker=order.ticker,
        asset_class=str(AssetClass.OPTION),
        quantity=quantity,
        average_cost=_less(*(None if row is None else row.average_cost for row in (long, short))),
        market_price=_less(*(None if row is None else row.market_price for row in (long, short))),
        currency=IN if either is None else either.currency,
    )


def follow_split(closing: Closing, filled: Decimal) -> str:
    """Let a closing of a combo go on in what a split has made of it; a sentence where nothing is left to close as a combo.

    `filled` is what its orders have closed of it so far, in combos of before.
    """
    now_it_is = carried.became(closing.account_id, closing.conid, closing.ticker)
    if now_it_is is None:
        return f"A split has changed the terms of the legs of {closing.ticker}: they are no combo any more. Close each by itself."
    here = Closing.objects.filter(account=closing.account_id, conid=now_it_is.number, status=Closing.Status.OPEN)
    if here.exclude(pk=closing.pk).exists():
        return f"A split has made it {now_it_is.ticker}, which is being closed already."
    if closing.quantity is not None:
        closing.quantity = filled + now_it_is.units * (closing.quantity - filled)
    if closing.average_cost is not None:
        closing.average_cost = (closing.average_cost / now_it_is.units).quantize(Decimal("0.00000001"))
    closing.conid, closing.ticker = now_it_is.number, now_it_is.ticker
    closing.save(update_fields=["conid", "ticker", "quantity", "average_cost"])
    return ""


def legs_renamed(closing: Closing) -> int:
    """How many of the two legs of a combo a split has renamed since its close was asked for; 0 of what is no combo."""
    if closing.conid >= 0:
        return 0
    return carried.renamed_legs(closing.account_id, closing.conid, closing.ticker, closing.asked_at)


def may_be_split(closing: Closing) -> bool:
    """Whether nobody has said yet what became of the contract, or of a leg of it: nothing of that may be listed any more."""
    conids = [closing.conid, *(legs_of(closing.conid) or ())]
    actions = CorporateAction.objects.filter(account=closing.account_id, conid_before__in=conids)
    return actions.filter(state=str(State.ASKED)).exists()


def called_otherwise(closing: Closing) -> str | None:
    """As what else IBKR lists what is closed, where a split makes such names: until that is written down nobody knows how many of
    it the wish is of."""
    if closing.asset_class != AssetClass.OPTION:
        return None
    numbers = legs_of(closing.conid) or (closing.conid,)
    listed = Position.objects.filter(account=closing.account_id, conid__in=numbers).exclude(quantity=0)
    return options.called_otherwise(closing.conid, closing.ticker, dict(listed.values_list("conid", "ticker")))


def may_be_told(closing: Closing, now: datetime) -> bool:
    """Whether a contract that is closed, or a leg of it, is listed otherwise than fills explain, of late: it may have become
    another one, which IBKR's next list shows, or it was closed elsewhere by a fill that is still to be told."""
    conids = [closing.conid, *(legs_of(closing.conid) or ())]
    changes = UnexplainedChange.objects.filter(account=closing.account_id, conid__in=conids)
    return changes.exclude(quantity=0).filter(since__gt=now - EXPLAINED_WITHIN).exists()


def _whole(order: Closing | Order, legs: tuple[int, int], now: datetime, *rows: Position | None) -> Decimal:
    """How many whole ones are held: as many as our orders hold of it, else as many as both legs make beside other combos."""
    known = combos.load([order.account_id], now)
    beside_it = {each.number: each for leg in legs for each in known.get((order.account_id, leg), ())}
    own = beside_it.pop(order.conid, None)
    if own is not None and own.net:
        return own.net
    left = (
        (Decimal(0) if row is None else row.quantity)
        - sum((each.part_of(leg) for each in beside_it.values()), Decimal(0))
        for row, leg in zip(rows, legs, strict=True)
    )
    return held(*left)


def _less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other
