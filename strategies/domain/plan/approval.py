"""What an approver may change about a plan: make its entry smaller, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import OrderIntent, Role
from brokers.domain.sentences import grouped
from brokers.domain.snapshot import Snapshot
from brokers.rulebook.products.abroad import lot_of
from strategies.domain.plan.costs import affordable
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.plan.shares import Size, sentence_of, shares_of, targets_in_words


def entry_of(plan: Plan) -> OrderIntent | None:
    """The order of the plan that opens a position or makes it larger; None where it only reduces."""
    return next((intent for intent in every_order(plan.intents) if intent.role is Role.ENTRY), None)


def smaller(
    plan: Plan, quantity: Decimal, snapshot: Snapshot, now: datetime, signal_price: Decimal | None
) -> Plan | Rejection:
    """The plan with an entry of `quantity` shares or contracts and legs of the same size; its costs are estimated anew.

    A Rejection (A04) where the plan has no entry, or where the quantity is not above zero, too large or no whole number.
    """
    entry = entry_of(plan)
    if entry is None:
        return _refused("This plan only reduces a position, and so it is taken whole. Approve it, or decline it.")
    if not quantity.is_finite() or not 0 < quantity <= entry.quantity:
        return _refused(f"Approve a quantity above zero and of at most {grouped(entry.quantity)}.")
    if entry.quantity == entry.quantity.to_integral_value() and quantity != quantity.to_integral_value():
        return _refused("This is traded in whole units. Approve a whole number.")
    if quantity == entry.quantity:
        return plan
    ticker = entry.instrument.ticker
    lot = lot_of(ticker, None if snapshot.rules is None else snapshot.rules.size_step)
    if lot > 1 and quantity % lot:
        return _refused(f"{ticker} trades in lots of {lot}. Approve a multiple of that.")
    intents = tuple(_resized(intent, quantity, Decimal(lot)) for intent in plan.intents)
    reason = f"{plan.reason} Approved for {grouped(quantity)} of {grouped(entry.quantity)}."
    if ladder.named_parts(entry) and snapshot.group is None:
        smaller_one = next(each for each in every_order(intents) if each.role is Role.ENTRY)
        reason += f" Targets then: {ladder.named_parts(smaller_one) or 'one for all of it, or none'}."
    answer = affordable(replace(plan, intents=intents, reason=reason, estimates=()), snapshot, now, signal_price)
    if isinstance(answer, Rejection) or snapshot.group is None or not plan.shares:
        return answer
    shares = shares_of(snapshot.group, Size(quantity=quantity, ticker=entry.instrument.ticker))
    if isinstance(shares, Rejection):
        return shares
    amounts = [share.quantity for share in shares]
    parted = tuple(
        ladder.among(intent, amounts, Decimal(lot)) if intent.role is Role.ENTRY else intent
        for intent in answer.intents
    )
    of_targets = "".join(targets_in_words(each, shares, lot) for each in parted if each.role is Role.ENTRY)
    reason = f"{answer.reason}{sentence_of(snapshot.group, shares)}{of_targets}"
    return replace(answer, intents=parted, shares=shares, reason=reason)


def does_the_same(one: Plan, other: Plan) -> bool:
    """Whether two plans send the same orders, ignoring prices that track the market."""
    return _shape(one) == _shape(other)


def _shape(plan: Plan) -> object:
    return (
        set(plan.cancels),
        set(plan.resizes),
        set(plan.modifications),
        tuple(_order(intent) for intent in plan.intents),
    )


def _order(intent: OrderIntent) -> object:
    return (
        intent.role,
        intent.instrument,
        intent.side,
        intent.type,
        intent.quantity,
        intent.time_in_force,
        intent.outside_rth,
        intent.release,
        intent.allocation,
        intent.account_id,
        tuple(_order(child) for child in intent.then),
    )


def _resized(intent: OrderIntent, quantity: Decimal, lot: Decimal) -> OrderIntent:
    """The intent with `quantity` units of its entry and of the legs that protect it; an exit before it stays as it is."""
    if intent.role is Role.ENTRY:
        return ladder.with_quantity(intent, quantity, lot)
    return replace(intent, then=tuple(_resized(child, quantity, lot) for child in intent.then))


def every_order(intents: tuple[OrderIntent, ...]) -> Iterator[OrderIntent]:
    """The orders of a plan, parents before their children."""
    for intent in intents:
        yield intent
        yield from every_order(intent.then)


def _refused(reason: str) -> Rejection:
    return Rejection(rule="A04", code="approved-quantity", reason=reason)
