"""What an answer leaves behind: in the decision, on the desk for the decisions after it, and for the broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.feed.needs import needs_changed
from brokers.book.options import chains
from brokers.domain.orders import Instrument, OrderIntent, OrderStatus, Release, Role
from brokers.domain.sentences import cut, ended
from brokers.domain.snapshot import WorkingOrder
from brokers.models import BrokerageAccount
from brokers.orders import tickets
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from brokers.postgres.updates import updated
from strategies import inputs, live
from strategies.deciding import lives
from strategies.deciding.desk import Desk
from strategies.deciding.turns import ends_it, only_enters
from strategies.domain.message.freshness import is_no_newer
from strategies.domain.message.message import Message
from strategies.domain.message.options import may_be_one, said_of_option
from strategies.domain.plan.ladders.ladder import as_sent
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.plan.previewing import asks_first
from strategies.inputs import Inputs
from strategies.models import Decision

_COLUMNS = (
    "status",
    "rule",
    "reason_code",
    "reason",
    "waiting_for",
    "way_out",
    "inputs",
    "plan",
    "decided_at",
    "expires_at",
    "ticket",
)


def save(decisions: Sequence[Decision]) -> None:
    """Write down what became of decisions, and tell the pages that show them."""
    if not decisions:
        return
    updated(decisions, _COLUMNS)
    notify(DECIDED_CHANNEL)
    for signal_pk, team_pk in {(decision.signal_id, decision.team_id) for decision in decisions}:
        live.signal_changed(signal_pk, team_pk)
    tell_of_proposals(decisions)


def tell_of_proposals(decisions: Sequence[Decision]) -> None:
    """After commit, open pages show what waits for an answer, or no longer does."""
    for team_pk in {decision.team_id for decision in decisions if decision.expires_at is not None}:
        needs_changed(team_pk)


def accept(decision: Decision, plan: Plan, seen: Inputs, desk: Desk, *, until: datetime) -> tickets.Draft:
    """Write the plan into the decision and onto the desk.

    Returns the ticket to open; its orders may leave until `until`. `seen`: the inputs that led to the plan.
    """
    _note(decision, Decision.Status.ACCEPTED, plan, desk.now)
    account, contract, terms = decision.subscription.account, seen.snapshot.contract, decision.terms.value()
    intents = tuple(tickets.named(intent) for intent in as_sent(plan.intents))
    _count_on_desk(decision, plan, list(_working_orders(decision, intents)), contract.conid, desk)
    position = desk.book.positions.get((account.pk, contract.conid))
    return tickets.Draft(
        account=account,
        key=decision.code,
        conid=contract.conid,
        currency=contract.currency,
        multiplier=contract.multiplier,
        intents=intents,
        cancels=plan.cancels,
        resizes=plan.resizes,
        accounts=_clients_of(decision, desk),
        modifications=plan.modifications,
        known={order.reference: order.filled for order in seen.snapshot.working},
        expires_at=until,
        signal_price=seen.message.signal_price,
        missing_stop=terms.missing_stop,
        asks_first=asks_first(plan, terms.preview_above, seen.snapshot),
        held_as="" if position is None else position.asset_class,
    )


def _count_on_desk(
    decision: Decision, plan: Plan, orders: list[tuple[str, WorkingOrder]], conid: int, desk: Desk
) -> None:
    """Later decisions of this batch must see what this one is about to cancel and to send."""
    account_pk = decision.subscription.account_id
    clients = _clients_of(decision, desk)
    for pk in (account_pk, *(client.pk for client in clients.values())):
        desk.book.cancel(pk, conid, plan.cancels)
        desk.book.resize(pk, conid, plan.resizes)
    for number, order in orders:
        desk.book.add(clients[number].pk if number else account_pk, conid, order)
    chains.add(desk.book.held_options, account_pk, [intent.instrument for intent in plan.intents])
    enters = any(order.role is Role.ENTRY for _, order in orders)
    desk.ownership.accept(decision, enters=enters)
    desk.ownership.modified.extend(plan.modifications)
    if enters:
        desk.openings.plan(account_pk, conid, decision.signal.signal_time)
        desk.guards.count_entry(decision.subscription)
    margin = sum((estimate.margin or Decimal(0) for estimate in plan.estimates), Decimal(0))
    total = sum((share.quantity for share in plan.shares), Decimal(0))
    for share in plan.shares if total else ():
        # The money of a group is that of its accounts.
        desk.book.reserve(clients[share.account_id].pk, margin * share.quantity / total)
    if not plan.shares:
        desk.book.reserve(account_pk, margin)


def _clients_of(decision: Decision, desk: Desk) -> Mapping[str, BrokerageAccount]:
    """The accounts of the group that the decision is for, by their numbers; none where it is for one account."""
    cast = desk.casts.get(decision.subscription.group_id or 0)
    return {} if cast is None else cast.accounts


def _working_orders(
    decision: Decision, intents: Sequence[OrderIntent], parent: str = ""
) -> Iterator[tuple[str, WorkingOrder]]:
    """The planned orders as the book shows them, parents before their children, each with its client's number, if any."""
    for intent in intents:
        if intent.release is Release.BY_ACCOUNT:
            # No order until the accounts have got something, and then one of its own in each.
            continue
        order = WorkingOrder(
            reference=intent.reference,
            role=intent.role,
            side=intent.side,
            type=intent.type,
            remaining=intent.quantity,
            status=OrderStatus.CREATED,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            trail_amount=intent.trail_amount,
            trail_percent=intent.trail_percent,
            time_in_force=intent.time_in_force,
            good_till=intent.good_till,
            outside_rth=intent.outside_rth,
            parent=parent,
            ticket=str(decision.code),
            moves=intent.moves,
        )
        yield intent.account_id, order
        yield from _working_orders(decision, intent.then, intent.reference)


def expiry(begin: datetime, message: Message, plan: Plan) -> datetime:
    """Until when the orders of a plan may leave, counted from `begin`."""
    end = begin + timedelta(seconds=plan.time_to_live_seconds)
    return end if message.expires_at is None else min(end, message.expires_at)


def rehearse(decision: Decision, plan: Plan, now: datetime) -> None:
    """Keep what would have been ordered; nothing is."""
    _note(decision, Decision.Status.REHEARSED, plan, now)


def propose(decision: Decision, plan: Plan, message: Message, desk: Desk) -> None:
    """Keep what an approver is asked for, and until when."""
    _note(decision, Decision.Status.PROPOSED, plan, desk.now)
    end = desk.now + timedelta(seconds=decision.terms.value().approval_seconds)
    decision.expires_at = end if message.expires_at is None else min(end, message.expires_at)
    assert message.place is not None, "there is no plan without an instrument"
    _supersede_proposals(decision, message.place, desk)


def _supersede_proposals(decision: Decision, place: Instrument, desk: Desk) -> None:
    """The newest word of a strategy is the one to approve: an older proposal that may be for the same contract ends."""
    rows = Decision.objects.filter(status=Decision.Status.PROPOSED, subscription=decision.subscription)
    earlier = [
        proposal
        for proposal in rows.select_for_update(of=("self",)).select_related("signal")
        if proposal.pk != decision.pk and _may_be_about(proposal, place, decision)
    ]
    desk.overtaken.extend(earlier)
    same_batch = desk.proposed.setdefault((decision.subscription_id, place), [])
    ended_here = [proposal for proposal in same_batch if _may_be_about(proposal, place, decision)]
    same_batch[:] = [*(proposal for proposal in same_batch if proposal not in ended_here), decision]
    for proposal in [*earlier, *ended_here]:
        _overtake(proposal, "A later signal came", desk.now)


def end_proposals(decision: Decision, message: Message, desk: Desk) -> None:
    """A full exit ends the entries that wait for an approver: who answers them late must not open what is to be closed.

    By the senders' own times an exit that is no newer belongs before such an entry, and leaves it alone.
    """
    place = message.place
    if place is None or not ends_it(message):
        return
    rows = Decision.objects.filter(status=Decision.Status.PROPOSED, subscription=decision.subscription)
    waiting = list(rows.select_for_update(of=("self",)).select_related("signal"))
    same_batch = desk.proposed.get((decision.subscription_id, place), [])
    at = decision.signal.received_at
    for proposal in [*waiting, *same_batch]:
        entry = Message.from_reading(proposal.signal.reading)
        if (
            not _may_be_about(proposal, place, decision)
            or not only_enters(entry)
            or is_no_newer(message, entry.signal_time)
        ):
            continue
        _overtake(proposal, f"An exit came at {at:%H:%M:%S} UTC", desk.now)
        if any(proposal is each for each in same_batch):
            same_batch[:] = [each for each in same_batch if each is not proposal]
        else:
            desk.overtaken.append(proposal)


def _may_be_about(proposal: Decision, place: Instrument, decision: Decision) -> bool:
    """Whether a proposal stands in this place, and may be for the contract of this decision: of options on one share a name
    and parts may mean one, and two strikes never."""
    said, mine = proposal.signal.reading, decision.signal.reading
    return Message.from_reading(said).place == place and may_be_one(said_of_option(said), said_of_option(mine))


def _overtake(proposal: Decision, what: str, now: datetime) -> None:
    reason = f"{what} before it was approved. It would have been: {ended(proposal.reason)}"
    reject(proposal, Rejection(rule="A03", code="superseded-signal", reason=reason), now)


def _note(decision: Decision, status: Decision.Status, plan: Plan, now: datetime) -> None:
    decision.status, decision.rule, decision.reason = status, plan.rule, cut(plan.reason, 400)
    decision.reason_code, decision.waiting_for, decision.decided_at = "", "", now
    decision.way_out = Decision.WayOut.NO
    # The plan too, not only its orders: those may be changed later, where they stand.
    decision.plan = inputs.plan_json(plan)


def add_note(decision: Decision, note: str) -> None:
    """Say more about a decision that was just taken; nothing where there is nothing to say."""
    if note:
        decision.reason = cut(f"{ended(decision.reason)} {note}", 400)


def reject(decision: Decision, rejection: Rejection, now: datetime) -> None:
    """Write down why nothing is done."""
    decision.status = Decision.Status.REJECTED
    decision.rule, decision.reason_code, decision.reason = rejection.rule, rejection.code, cut(rejection.reason, 400)
    decision.waiting_for, decision.way_out, decision.decided_at = "", Decision.WayOut.NO, now


def wait(decision: Decision, message: Message, waiting_for: str, desk: Desk) -> None:
    """Keep the decision pending until its signal is too old; then reject it.

    Whether a buy is an exit is not known without a book, so a buy waits no longer than an entry may.
    """
    decision.waiting_for = cut(waiting_for, 200)
    until = lives.life_until(decision, message)
    if desk.now >= until:
        life = round((until - decision.signal.due_at).total_seconds())
        reason = f"Not traded: {life} seconds passed while waiting for {waiting_for}. Check the connection's session."
        reject(decision, Rejection(rule="T02", code="waited-too-long", reason=reason), desk.now)
    else:
        desk.line.wait(decision, message)
