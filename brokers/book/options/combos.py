"""Combos as the book shows them: what a holding of both legs makes, and why an option is not traded by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.book.views import NotYet
from brokers.domain.contracts.combos import combo_named, held, legs_of
from brokers.domain.contracts.options import named
from brokers.domain.contracts.rules import Denial
from brokers.domain.orders import AssetClass, Instrument, Side
from brokers.models import BrokerageAccount, Position
from brokers.models.options.combos import HeldCombo, Place

ZERO = Decimal(0)
Pair = tuple[BrokerageAccount, Instrument]


def legs(instrument: Instrument) -> tuple[Instrument, ...]:
    """The legs of a combo as instruments, the long one first; none of anything else."""
    name = combo_named(instrument.ticker) if instrument.asset_class is AssetClass.OPTION else None
    return () if name is None else tuple(replace(instrument, ticker=str(leg)) for leg in name.legs)


def with_legs(pairs: list[Pair]) -> list[Pair]:
    """The pairs, and behind them the legs of the combos among them: what these are worth a point is theirs."""
    beside = [(account, leg) for account, instrument in pairs for leg in legs(instrument)]
    return list(dict.fromkeys([*pairs, *beside])) if beside else pairs


def leg_of(combo: HeldCombo, ticker: str) -> Denial:
    """Why nothing is opened in an option, and no more of it leaves than is held beside: the other leg would be left alone."""
    name = named(ticker)
    what = "is held as" if combo.net else "is ordered as"
    message = message_for(combo.ticker, "exit" if combo.net else "cancel")
    return Denial(
        code="leg-of-a-combo",
        sentence=f"{ticker if name is None else name.spoken} {what} a leg of {combo.spoken}, whose other leg would be left alone. Send "
        f"{message} first.",
    )


def leg_works(ticker: str) -> Denial:
    """Why a combo, or a leg of one, is not opened while an order works in the other."""
    return Denial(
        code="order-in-a-leg",
        sentence=f"An order of the account works in a leg of {ticker}, or in a combo with it, so that nobody can tell what will be "
        "held of both legs. Cancel it or let it fill, then send the signal again.",
    )


def message_for(ticker: str, action: str) -> str:
    """The message about a combo, as a sender writes it."""
    name = combo_named(ticker)
    if name is None:
        return ticker
    legs = ", ".join(
        f'{{"ticker": "{leg}", "side": "{side}"}}' for leg, side in zip(name.legs, ("buy", "sell"), strict=True)
    )
    return f'{{"ticker": "{name.underlying}", "action": "{action}", "legs": [{legs}]}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known of a combo of an account: the combos of ours that have one of its legs, itself among them, and whether an
    order works in a leg by itself or was planned for another combo with it. `leaving`: by leg, what orders in it may still buy and
    sell. `doubt`: nobody has said what an order in a leg is."""

    account_pk: int
    number: int
    ticker: str
    combos: tuple[HeldCombo, ...]
    leaving: tuple[Mapping[Side, Decimal], ...]
    leg_works: bool
    doubt: Denial | None

    @property
    def own(self) -> Decimal:
        """How many of it our orders hold, as far as IBKR shows both legs."""
        return next((each.net for each in self.combos if each.number == self.number), ZERO)

    @property
    def others(self) -> tuple[HeldCombo, ...]:
        return tuple(each for each in self.combos if each.number != self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an account holds of a combo: whole ones, the legs without what other combos have of them, and what a whole one cost
    and is worth.

    `unsettled`: signed combos of fills that the list of positions may not contain. `denial`: why none is opened.
    """

    quantity: Decimal
    legs: tuple[Decimal, Decimal]
    average_cost: Decimal | None
    mark: Decimal | None
    unsettled: Decimal
    denial: Denial | None


def holding(scene: Scene, positions: Mapping[Place, Position], unsettled: Mapping[Place, Decimal]) -> Holding | NotYet:
    """What is held of a combo by what is held of its legs; NotYet while the fill of one leg is known, and not the other's.

    So many as our orders hold of it; what is held of its legs beside that is another's. Where they hold none of it, both legs
    were bought one by one, and make as many as there are of either, without what leaves one by an order that works.
    """
    legs = legs_of(scene.number)
    assert legs is not None, "it is a combo"
    rows = [positions.get((scene.account_pk, leg)) for leg in legs]
    newer = [unsettled.get((scene.account_pk, leg), ZERO) for leg in legs]
    if newer[0] != -newer[1]:
        return NotYet(waiting_for=f"the fills of both legs of {scene.ticker}")
    long, short = (
        (ZERO if row is None else row.quantity) - sum((each.part_of(leg) for each in scene.others), ZERO)
        for row, leg in zip(rows, legs, strict=True)
    )
    by_legs = held(long, short)
    if by_legs and not scene.own:
        long, short = (_staying(*each) for each in zip((long, short), scene.leaving, strict=True))
        by_legs = held(long, short)
    quantity = scene.own or by_legs
    denial = leg_works(scene.ticker) if scene.leg_works else None
    if scene.others and not scene.own:
        # What both have in common would be held for two.
        denial = leg_of(scene.others[0], scene.ticker)
    return Holding(
        quantity=quantity,
        legs=(long, short),
        average_cost=_less(*(None if row is None else row.average_cost for row in rows)),
        mark=_less(*(None if row is None else row.market_price for row in rows)),
        unsettled=held(long + newer[0], short + newer[1]) - by_legs,
        denial=scene.doubt or denial,
    )


def _staying(quantity: Decimal, leaving: Mapping[Side, Decimal]) -> Decimal:
    """What is left of a leg once the orders that work in it have closed what they can."""
    out = leaving[Side.SELL if quantity > 0 else Side.BUY]
    return max(abs(quantity) - out, ZERO).copy_sign(quantity)


def _less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other
