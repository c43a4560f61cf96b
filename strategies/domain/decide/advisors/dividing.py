"""A plan for an advisor's group: its entry leaves as one order that IBKR divides, its ways out as an order for each account.

IBKR divides an order by the group's method and not by what its accounts hold, so a way out that it divided could leave one
account too long and another short. Rules B10 to B13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from brokers.domain.advisors.groups import Client, SeenGroup
from brokers.domain.orders import Allocation, OrderIntent, Release, Role
from brokers.domain.sentences import all_of, cut, grouped
from brokers.rulebook.allocation import split
from strategies.domain.decide import working
from strategies.domain.decide.actions import breakeven
from strategies.domain.decide.assembly import exit_plan
from strategies.domain.decide.case import Case
from strategies.domain.decide.exits import plan_exit
from strategies.domain.decide.guards import NO_GUARDS
from strategies.domain.decide.limits import EntrySize, entry_held_back, halted, over_a_limit
from strategies.domain.decide.sizing import exposure, lot
from strategies.domain.plan.approval import entry_of
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Plan, Rejection, Share
from strategies.domain.plan.shares import Size, sentence_of, shares_of, targets_in_words
from strategies.domain.terms.terms import Terms

ZERO = Decimal(0)
_FOLLOW = {Role.STOP_LOSS: "The stop follows", Role.TAKE_PROFIT: "The target follows"}
_NO_ENTRY = (
    " No entry follows: a group is closed account by account, so its next position is opened by a signal of its own once "
    "it is flat."
)


def divided(case: Case, plan: Plan) -> Plan | Rejection:
    """The plan as the group's accounts carry it out, or why nothing is sent; a plan for one account stays as it is."""
    group = case.snapshot.group
    if group is None:
        return plan
    if refused := _held_both_ways(case, group):
        return refused
    entry = entry_of(plan)
    if entry is not None and entry in plan.intents:
        shares = _entered(case, group, plan, entry)
        if isinstance(shares, Rejection):
            return shares
        allocation = Allocation(group=group.name, method=str(group.method))
        parted = ladder.among(entry, [share.quantity for share in shares], Decimal(lot(case)))
        intents = tuple(
            _by_account(replace(parted if intent is entry else intent, allocation=allocation))
            for intent in plan.intents
        )
        legs = f"{targets_in_words(parted, shares, lot(case))}{_follows(parted)}"
        reason = f"{plan.reason}{sentence_of(group, shares)}{legs}"
        return replace(plan, intents=intents, shares=shares, reason=reason)
    return _left(case, group, plan) if plan.intents else plan


def _by_account(entry: OrderIntent) -> OrderIntent:
    """The entry with legs that each account gets for itself: a stop that IBKR divided by the method, when it fills, would sell
    what some accounts do not hold and leave others as they are."""
    return replace(entry, then=tuple(replace(leg, release=Release.BY_ACCOUNT) for leg in entry.then))


def _follows(entry: OrderIntent) -> str:
    """A sentence on the legs that come after the entry; "" where it has none."""
    roles = {leg.role for leg in entry.then}
    if not roles:
        return ""
    several = len(ladder.targets_of(entry)) > 1
    what = (
        f"Stop and target{'s' if several else ''} follow"
        if len(roles) > 1
        else "The targets follow"
        if several
        else _FOLLOW[roles.pop()]
    )
    return f" {what} in each account for what it got, once its fills are here."


def _entered(case: Case, group: SeenGroup, plan: Plan, entry: OrderIntent) -> tuple[Share, ...] | Rejection:
    """Who gets how many, where no account is held back."""
    estimate = _estimate_of(plan)
    shares = shares_of(
        group, Size(quantity=entry.quantity, unit_margin=_unit_margin(estimate, entry), ticker=case.ticker)
    )
    if isinstance(shares, Rejection):
        return shares
    if refused := _not_in_lots(case, group, [share.quantity for share in shares]):
        return refused
    for client, share in zip(group.members, shares, strict=True):
        alone = _case_of(case, client)
        size = EntrySize(
            quantity=share.quantity,
            position=abs(client.position + entry.side.sign * share.quantity),
            unit_value=None
            if estimate is None or estimate.price is None
            else _worth(case, exposure(case, entry.side, estimate.price)),
        )
        refused = entry_held_back(alone) or over_a_limit(alone, size)
        if refused is not None:
            return replace(refused, reason=f"{client.account_id} of {group.name} is held back. {refused.reason}")
    return shares


def _not_in_lots(case: Case, group: SeenGroup, parts: Sequence[Decimal]) -> Rejection | None:
    """Why a division is not sent of which some part makes no whole lots."""
    of_each = lot(case)
    if of_each == 1 or not any(part % of_each for part in parts):
        return None
    reason = (
        f"{case.ticker} trades in lots of {of_each}, and the accounts of {group.name} would get "
        f"{all_of([grouped(part) for part in parts[:6]])}. Send a quantity that divides into whole lots, or no quantity to exit all."
    )
    return Rejection(rule="S10", code="quantity-not-in-lots", reason=reason)


def _estimate_of(plan: Plan) -> Estimate | None:
    return next((each for each in plan.estimates if each.role is Role.ENTRY), None)


def _unit_margin(estimate: Estimate | None, entry: OrderIntent) -> Decimal | None:
    if estimate is None or estimate.margin is None or not estimate.margin_from.is_certain or not entry.quantity:
        return None
    return estimate.margin / entry.quantity


def _worth(case: Case, price: Decimal) -> Decimal | None:
    """One unit in the account's currency; None without a rate."""
    contract, currency = case.snapshot.contract, case.snapshot.currency
    rate = Decimal(1) if contract.currency == currency else case.snapshot.rates.get(contract.currency)
    return None if rate is None else price * contract.multiplier * rate


def _case_of(case: Case, client: Client) -> Case:
    """The signal before one account alone, with the guards of that account and no terms of its own."""
    guards = dict(case.guards.clients).get(client.account_id, NO_GUARDS)
    snapshot = replace(case.snapshot, account_id=client.account_id, position=client.position, group=None, uncounted=())
    return Case(case.message, Terms(), snapshot, case.now, guards=guards)


def _left(case: Case, group: SeenGroup, plan: Plan) -> Plan | Rejection:
    """The ways out of a plan, each as an order for every account that holds its part."""
    if refused := _stopped(case, group):
        return refused
    left = {client.account_id: _may_leave(client, plan.cancels) for client in group.clients}
    holders = [client for client in group.clients if left[client.account_id]]
    if plan.rule == "D36":
        return _each_alone(case, plan, [(client, breakeven(_alone(case, client))) for client in holders])
    intents: list[OrderIntent] = []
    follows = False
    for intent in plan.intents:
        follows |= any(child.release is Release.AFTER_PARENT_FILLS for child in intent.then)
        whole = [left[client.account_id] for client in holders]
        parts = _parts(intent.quantity, whole)
        if parts != whole and (refused := _not_in_lots(case, group, parts)):
            return refused
        if parts != whole and intent.role is Role.EXIT and working.brackets(case):
            # Each account's legs shrink by its own part: cut over the sum, one would lose its stop for another's.
            ways = [(client, part) for client, part in zip(holders, parts, strict=True) if part]
            return _each_alone(case, plan, [(client, _way_out(_alone(case, client), part)) for client, part in ways])
        for client, part in zip(holders, parts, strict=True):
            if part:
                intents.append(_for(intent, client, part))
            if intent.role is Role.EXIT:
                left[client.account_id] -= part
    if not intents:
        return _already_leaving(case, group)
    reason = f"{plan.reason}{_said(intents)}{_not_shown(group)}{_NO_ENTRY if follows else ''}"
    return replace(plan, intents=tuple(intents), estimates=(), reason=reason)


def _already_leaving(case: Case, group: SeenGroup | None) -> Rejection:
    name = "the group" if group is None else group.name
    reason = f"All that the accounts of {name} hold of {case.ticker} leaves by working orders already."
    return Rejection(rule="D40", code="already-exiting", reason=reason)


def _said(intents: Sequence[OrderIntent]) -> str:
    """ " Account by account: DU1 5, DU2 1." """
    said = ", ".join(f"{each.account_id} {grouped(each.quantity)}" for each in intents if each.role is Role.EXIT)
    return f" Account by account: {cut(said, 120)}." if said else ""


def _alone(case: Case, client: Client) -> Case:
    """The signal before one account, with what it holds and its own working orders, on the terms of the subscription."""
    own = set(client.orders)
    snapshot = replace(
        case.snapshot,
        account_id=client.account_id,
        position=client.position,
        working=tuple(order for order in case.snapshot.working if order.reference in own),
        group=None,
    )
    return Case(case.message, case.terms, snapshot, case.now)


def _way_out(alone: Case, part: Decimal) -> Plan | Rejection:
    way = plan_exit(alone, part)
    return way if isinstance(way, Rejection) else exit_plan(alone, "", way)


def _each_alone(case: Case, plan: Plan, answers: Sequence[tuple[Client, Plan | Rejection]]) -> Plan | Rejection:
    """The plans of the accounts as one, with what the group's plan cancels of the account that carries its orders."""
    group = case.snapshot.group
    plans = [(client, answer) for client, answer in answers if isinstance(answer, Plan)]
    refused = [(client, answer) for client, answer in answers if isinstance(answer, Rejection)]
    if not plans:
        return refused[0][1] if refused else _already_leaving(case, group)
    # What holds one account up holds up no other.
    stays = "".join(f" {client.account_id} stays as it is: {answer.reason}" for client, answer in refused[:3])
    of_clients = {reference for client in (group.clients if group else ()) for reference in client.orders}
    cancels = [reference for reference in plan.cancels if reference not in of_clients]
    intents = [_of(intent, client) for client, each in plans for intent in each.intents]
    return replace(
        plan,
        intents=tuple(intents),
        cancels=(*cancels, *(reference for _, each in plans for reference in each.cancels)),
        resizes=tuple(resize for _, each in plans for resize in each.resizes),
        estimates=(),
        reason=f"{plan.reason}{_said(intents)}{_not_shown(group) if group else ''}{stays}",
    )


def _of(intent: OrderIntent, client: Client) -> OrderIntent:
    return replace(intent, account_id=client.account_id, then=tuple(_of(child, client) for child in intent.then))


def _not_shown(group: SeenGroup) -> str:
    """A sentence on accounts that have left the group, may hold what it bought, and do not show it: their part stays."""
    hidden = [client.account_id for client in group.clients if client.former and not client.position]
    if not hidden:
        return ""
    return f" {all_of(hidden[:3])} left {group.name} and cannot be seen now: what it bought there stays."


def _may_leave(client: Client, canceled: Sequence[str]) -> Decimal:
    """What an account holds and no working way out of its own takes already, but for those that the plan cancels."""
    leaving = sum((rest for reference, rest in client.leaving if reference not in canceled), ZERO)
    return max(abs(client.position) - leaving, ZERO)


def _held_both_ways(case: Case, group: SeenGroup) -> Rejection | None:
    longs = [client.account_id for client in group.clients if client.position > 0]
    shorts = [client.account_id for client in group.clients if client.position < 0]
    if longs and shorts:
        reason = (
            f"The accounts of {group.name} hold {case.ticker} in both directions: {all_of(longs[:3])} long, "
            f"{all_of(shorts[:3])} short. Close them on the page Positions, each in its account."
        )
        return Rejection(rule="B13", code="group-held-both-ways", reason=reason)
    return None


def _stopped(case: Case, group: SeenGroup) -> Rejection | None:
    """Whether everything is stopped in an account that would have to sell or buy."""
    for client in group.clients:
        refused = halted(_case_of(case, client), entry=False)
        if refused is not None and client.position:
            return replace(refused, reason=f"{client.account_id} of {group.name} is held back. {refused.reason}")
    return None


def _parts(quantity: Decimal, left: Sequence[Decimal]) -> list[Decimal]:
    """A quantity divided by what each account has left, and never more than that; fractions where one holds a fraction."""
    total = sum(left, ZERO)
    if quantity >= total:
        return list(left)
    if any(each != each.to_integral_value() for each in (quantity, *left)):
        return [min(quantity * each / total, each) for each in left]
    return [Decimal(units) for units in split(quantity, [Fraction(each) for each in left])]


def _for(intent: OrderIntent, client: Client, part: Decimal) -> OrderIntent:
    """The order for one account; an entry that was to follow the way out does not."""
    then = tuple(
        _for(child, client, min(child.quantity, part))
        for child in intent.then
        if child.release is not Release.AFTER_PARENT_FILLS
    )
    return replace(intent, quantity=part, account_id=client.account_id, estimated_fee=None, then=then)
