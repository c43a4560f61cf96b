"""What is different where two options are traded as one: what IBKR takes of it, what it can lose, and what it is beside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.contracts.combos import ComboName, at_risk, combo_named
from brokers.domain.orders import AssetClass, OrderIntent, OrderType, Side, TimeInForce
from brokers.domain.sentences import all_of, grouped
from brokers.domain.snapshot import Snapshot
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Settings
from strategies.domain.terms.terms import QuantityType

RULE = "B05"
_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
# Halyard ends what is good till a date itself (`brokers.orders.waits.good_till`): IBKR gets it as good till canceled.
_TIMES = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD})
_WITH_LEGS = (
    "A stop or a target of a combo is none that IBKR's Web API takes, and this subscription's terms want one. Take it out of the "
    "terms of a subscription for combos, and close by exit."
)


def of(snapshot: Snapshot) -> ComboName | None:
    """The combo that a snapshot is of; None where it is of a single contract."""
    instrument = snapshot.contract.instrument
    return combo_named(instrument.ticker) if instrument.asset_class is AssetClass.OPTION else None


def not_taken(snapshot: Snapshot, kind: OrderType, tif: TimeInForce | str) -> Rejection | None:
    """Why IBKR's Web API would not take such an order for a combo; None for a single contract, too."""
    if of(snapshot) is None:
        return None
    if kind not in _TYPES:
        words = str(kind).replace("_", " ")
        return _no("combo-order-type", f"IBKR takes a combo as a market or a limit order, and not as a {words} order.")
    if tif not in _TIMES:
        return _no(
            "combo-time-in-force",
            f"A combo works for the day, until it is canceled (gtc) or till a date (gtd), and not as {tif}.",
        )
    return None


def not_by(snapshot: Snapshot, settings: Settings) -> Rejection | None:
    """Why no combo is opened by such settings, with a stop or a target, or by a size in money, of the equity or of the position;
    None for a single contract, too. Before anything is counted by them, which would ask for what a combo has not.

    What one counts as in money differs by what is asked: what it costs, what it can lose, what its legs stand for.
    """
    if of(snapshot) is None:
        return None
    if settings.stop_loss.value is not None or settings.take_profit.value is not None:
        return _no("combo-with-legs-behind", _WITH_LEGS)
    sizing = settings.quantity_type.value
    if sizing is QuantityType.FIXED:
        return None
    words = str(sizing).replace("_", " ")
    return _no(
        "combo-sizing", f"A combo is ordered by how many, and not by {words}. Send quantity, without quantityType."
    )


def taken(settings: Settings, snapshot: Snapshot) -> Settings:
    """The settings of an exit as IBKR takes them of a combo, which never stays for the shape of its exit: another type leaves at
    the market, for the day; a limit that was to work otherwise works for the day."""
    if of(snapshot) is None:
        return settings
    kind, tif = settings.order_type, settings.time_in_force
    if kind.value not in _TYPES:
        kind, tif = kind._replace(value=OrderType.MARKET), tif._replace(value=TimeInForce.DAY)
    elif tif.value not in _TIMES:
        tif = tif._replace(value=TimeInForce.DAY)
    return replace(settings, order_type=kind, time_in_force=tif)


def taken_otherwise(snapshot: Snapshot, wanted: Settings, intent: OrderIntent) -> str:
    """A sentence about an exit that leaves otherwise than it was wanted; "" where it does not, and of a single contract."""
    if of(snapshot) is None or (wanted.order_type.value, wanted.time_in_force.value) == (
        intent.type,
        intent.time_in_force,
    ):
        return ""
    kind = str(wanted.order_type.value).replace("_", " ")
    return (
        f" IBKR takes no {kind} order ({wanted.time_in_force.value}) of a combo: it leaves as a {intent.type} order "
        f"({intent.time_in_force})."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An entry into a combo: on which side, at which net price, and the orders that would travel with it."""

    side: Side
    expected: Decimal | None
    children: Sequence[OrderIntent]


def not_opened(snapshot: Snapshot, opening: Opening) -> Rejection | None:
    """Why a combo is not opened; None for a single contract, too."""
    name = of(snapshot)
    if name is None:
        return None
    if snapshot.group is not None:
        return _no(
            "combo-for-a-group", "Halyard orders no combos for an advisor's group. Use a subscription of one account."
        )
    if opening.children:
        return _no("combo-with-legs-behind", _WITH_LEGS)
    if opening.side is Side.SELL and not name.is_vertical:
        return _no(
            "calendar-is-not-sold",
            f"Who sells a {name.spoken} is left with what was written once the sooner leg ends. Halyard opens none; send each "
            "leg as an order of its own.",
        )
    return _against_a_leg(snapshot, name, opening.side) or _price_of_none(name, opening)


def _against_a_leg(snapshot: Snapshot, name: ComboName, side: Side) -> Rejection | None:
    """What is held of a leg alone, the other way round than the entry would have it: it would close that instead."""
    long, short = snapshot.legs or (Decimal(0), Decimal(0))
    beside = ((name.long, long - snapshot.position, side.sign), (name.short, short + snapshot.position, -side.sign))
    for leg, alone, wanted in beside:
        if alone * wanted < 0:
            how = "long" if alone > 0 else "short"
            return _no(
                "leg-held-other-way",
                f"{grouped(abs(alone))} {leg.spoken} is held {how} beside the combo, which this order would close instead of "
                f"opening all of it. Close that first.",
            )
    return None


def _price_of_none(name: ComboName, opening: Opening) -> Rejection | None:
    """Why a price is none of such a combo: it is worth something, and never its width."""
    expected = opening.expected
    if expected is None:
        return None
    if expected <= 0:
        return _no(
            "combo-price-not-above-zero",
            f"A {name.spoken} is worth more than nothing, and by the quotes of its legs its price is {grouped(expected)}, by "
            "which nobody can tell what it risks. Check the quotes, or send a limit order.",
        )
    return _past(name, expected, "Check the quotes of its legs.")


def past_its_width(snapshot: Snapshot, limit: Decimal) -> Rejection | None:
    """Why a working entry does not get this limit; None for a single contract, too."""
    name = of(snapshot)
    return None if name is None else _past(name, limit, "Send the price of one combo, both legs together.")


def _past(name: ComboName, price: Decimal, advice: str) -> Rejection | None:
    if name.width is None or price < name.width:
        return None
    reason = (
        f"A {name.spoken} is never worth {grouped(name.width)} or more, and its price is {grouped(price)}. {advice}"
    )
    return _no("combo-price-past-its-width", reason)


def exposure(snapshot: Snapshot, side: Side, price: Decimal) -> Decimal | None:
    """What opening one counts as, a point: the most that it can lose; None of a single contract."""
    name = of(snapshot)
    return None if name is None else at_risk(name, side, price)


def explained(snapshot: Snapshot, side: Side, expected: Decimal | None) -> str:
    """A sentence about an entry into a combo: what it is, at which price, and what it can lose; "" of a single contract."""
    name = of(snapshot)
    if name is None:
        return ""
    if expected is None:
        return f" {name.spoken}, at a price that nothing tells."
    what = "debit" if side is Side.BUY else "credit"
    risk = at_risk(name, side, expected)
    most = (
        ""
        if risk is None
        else f", at most {_money(risk * snapshot.contract.multiplier)} {snapshot.contract.currency} at risk each"
    )
    return f" {name.spoken}, {what} {_money(expected)}{most}."


def _money(value: Decimal) -> str:
    return f"{value:,.2f}".removesuffix(".00")


def half_held(snapshot: Snapshot) -> Rejection | None:
    """Why a combo of which one leg alone is held cannot be closed as one; None where none is, or both are."""
    name = of(snapshot)
    if name is None or snapshot.legs is None or not any(snapshot.legs):
        return None
    left = [(leg, quantity) for leg, quantity in zip(name.legs, snapshot.legs, strict=True) if quantity]
    held = all_of(
        f"{grouped(abs(quantity))} {leg.spoken} ({'long' if quantity > 0 else 'short'})" for leg, quantity in left
    )
    ways = all_of(f'{{"ticker": "{leg}", "action": "exit"}}' for leg, _ in left)
    return _no(
        "combo-leg-gone",
        f"The account holds no whole {name.spoken}: of its legs only {held}. To close that send {ways}.",
    )


def all_inside(snapshot: Snapshot) -> Rejection | None:
    """Why an option of which nothing is held beside its combos is not closed by itself; None where it is in none."""
    inside = snapshot.in_combos
    return None if inside is None else Rejection(rule="B01", code=inside.code, reason=inside.sentence)


def _no(code: str, reason: str) -> Rejection:
    return Rejection(rule=RULE, code=code, reason=reason)
