"""What leaves for IBKR: cancels, orders, changes of orders, and answers to its questions about them."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from brokers.connections import sessions
from brokers.domain import questions
from brokers.domain.brokerage import (
    Accepted,
    AlreadyRegistered,
    Ambiguous,
    BrokerError,
    BrokerUnavailable,
    Gate,
    NotSent,
    OrderRefused,
    Paused,
    Refused,
    SubmissionOutcome,
)
from brokers.domain.calls import about_order
from brokers.domain.orders import OrderStatus, Role
from brokers.models import Connection, Order
from brokers.orders import cancels, execution, gone
from brokers.orders.changes import ChangeKind
from brokers.orders.modifications.kinds import CHANGES
from brokers.orders.together.answering import Came
from brokers.orders.waits import wished_cancels
from brokers.postgres.away import AWAY
from brokers.processes import between, renumbered, replies
from brokers.processes.wire import Wire
from brokers.protection import foreign_cancels, home
from brokers.stress import control_plane

RETRY_SECONDS = 1.0  # between two tries to reach a broker that is away
# After these the other cancels wait for the next look: the request did not leave, or its answer was lost.
UNDONE = frozenset({cancels.AMBIGUOUS, cancels.NOT_SENT})


def _about(order: Order, gate: Gate | None = None) -> AbstractContextManager[None]:
    """Calls made inside are about this order; a way out leaves before all else that waits for the pace."""
    return about_order(order.pk, way_out=Role(order.role) in questions.WAYS_OUT, gate=gate)


class _Gate:
    """Whether an order that is written down as leaving may still leave once it has its turn at IBKR's limit of requests.

    While it waits, it goes back into the queue where this worker ends, where it is to be canceled, and where a way out or a
    cancel of its connection could leave.
    """

    def __init__(self, wire: Wire, order: Order) -> None:
        self._wire, self._order = wire, order
        self._first: NotSent | None = None

    async def look(self) -> None:
        if self._wire.stopping.is_set():
            reason = "Not sent yet: the worker that was to send it ends, and another one sends it."
            self._first = NotSent(reason=reason, code="worker-ends", kept_back=True)
        elif self._wire.wake.is_set():
            with contextlib.suppress(*AWAY):
                self._first = await self._what_came()

    async def _what_came(self) -> NotSent | None:
        """What the lane was woken by, where that comes before this order or ends it."""
        wire, order = self._wire, self._order
        if await wire.db(wished_cancels.is_to_be_canceled, order):
            reason = "Not sent: it was to be canceled before it had its turn at IBKR."
            return NotSent(reason=reason, code="canceled-in-line", kept_back=True)
        is_entry = Role(order.role) not in questions.WAYS_OUT
        if is_entry and await wire.db(between.has_ways_out, wire.connection_pk, wire.clock()):
            reason = "Not sent yet: it waited for its turn at IBKR, and a way out or a cancel goes first."
            return NotSent(reason=reason, code="way-out-first", kept_back=True)
        return None

    def shut(self) -> NotSent | None:
        order = self._order
        if order.expires_at > self._wire.clock():
            return self._first
        waited = (order.expires_at - order.created_at).total_seconds()
        reason = (
            f"Not sent: its turn at IBKR's limit of requests did not come within {waited:.0f} seconds of its signal. "
            "Nothing reached IBKR; send the signal again if it is still wanted."
        )
        return NotSent(reason=reason, code=execution.TURN_TOO_LATE, kept_back=True)


async def send_cancels(wire: Wire) -> set[str]:
    """Ask for cancels one by one; after an answer that was lost, the others wait for the next look.

    A refusal is no last word: returns the accounts whose orders are to be read, since what IBKR does not cancel may be over.
    """
    refused: set[str] = set()
    while wire.broker.pause(canceling=True) is None:
        order = await wire.db(cancels.next_cancel, wire.connection_pk)
        if order is None:
            break
        attempt = await wire.db(cancels.begin_cancel, order, wire.clock())
        with _about(order):
            outcome, reason, code = await _ask_to_cancel(wire, order.account.account_id, order.broker_order_id)
        if outcome in {gone.GONE, cancels.REJECTED}:
            refused.add(order.account.account_id)
        if outcome in UNDONE:
            await wire.db(sessions.doubted, wire.connection_pk)
        reason = reason or "IBKR has the request."
        await wire.db(cancels.finish_cancel, order, attempt, outcome, reason, wire.clock(), code=code)
        if outcome in UNDONE:
            break
    return refused


async def send_foreign_cancels(wire: Wire) -> None:
    """Ask for the cancels of orders placed elsewhere that a person has named, each written down before it leaves."""
    while wire.broker.pause(canceling=True) is None:
        row = await wire.db(foreign_cancels.next_one, wire.connection_pk)
        if row is None or not await wire.db(foreign_cancels.begin, row, wire.clock()):
            break
        outcome, reason, _ = await _ask_to_cancel(wire, row.account.account_id, row.broker_order_id)
        await wire.db(foreign_cancels.finish, row, outcome, reason)
        if outcome in UNDONE:
            await wire.db(sessions.doubted, wire.connection_pk)
            break


async def _ask_to_cancel(wire: Wire, account_id: str, broker_order_id: str) -> tuple[str, str, str]:
    """Send one request to cancel; what became of it, why, and IBKR's code where it said no."""
    try:
        await wire.broker.cancel(account_id, broker_order_id)
    except OrderRefused as refusal:
        return gone.GONE if refusal.code == "unknown-order" else cancels.REJECTED, str(refusal), refusal.code
    except Paused as pause:
        return cancels.NOT_SENT, str(pause), ""
    except BrokerUnavailable as error:
        return cancels.NOT_SENT if error.code == "not-reached" else cancels.AMBIGUOUS, str(error), ""
    except BrokerError as error:
        return cancels.AMBIGUOUS, str(error), ""
    return cancels.ACCEPTED, "", ""


async def send_orders(wire: Wire, connection: Connection, job: execution.Job | None) -> float | None:
    """Send `job` and what is ready after it. None where nothing more is ready, so that the lane's questions have their turn.

    Otherwise the seconds after which to look again: RETRY_SECONDS where the broker asks for a pause or its session is
    gone, 0 where something comes before the next order: a cancel, a change, an answer, or a look at the session since an
    answer was lost.
    """
    while job is not None:
        began = wire.manners.clock()
        await _set_simulated_price(wire, connection, job.orders[0])
        # One POST and IBKR's questions about it; the lane holds the connection's lock until the last answer.
        with wire.manners.at_work(wire.team), _about(job.orders[0], _Gate(wire, job.orders[0])):
            outcome = await wire.broker.submit(job.account_id, job.legs)
        answer = await replies.answer(wire, connection, job.orders[0], job.attempt_pk, outcome)
        if isinstance(answer.outcome, NotSent) and not answer.outcome.kept_back:
            await wire.db(execution.finish, job, answer, wire.clock())
            await _note_not_sent(wire, connection, answer.outcome)
            return RETRY_SECONDS
        if wire.stopping.is_set():
            await wire.db(execution.finish, job, answer, wire.clock())
            return None
        if isinstance(answer.outcome, Ambiguous | AlreadyRegistered) and not _concerns_a_stop(job, answer.outcome):
            # It is looked for beside the lane; before more is sent, the session is looked at.
            await wire.db(execution.finish, job, answer, wire.clock())
            await wire.db(sessions.doubted, wire.connection_pk)
            wire.wake.set()
            return 0
        after = await _finish_and_take_next(wire, job, answer, began)
        if after.waits:
            wire.wake.set()
            return 0
        job = after.job
    return None


async def _finish_and_take_next(wire: Wire, job: execution.Job, answer: execution.Answer, began: float) -> between.Next:
    """Write an answer down, with what follows from it, and what leaves next. `began`: when the job did, by the manners' clock."""
    is_renumbered, stop = renumbered.is_unknown_contract(answer), _concerns_a_stop(job, answer.outcome)
    if not is_renumbered and not stop:
        return await _finish_politely(wire, job, answer, began)
    if is_renumbered:
        await renumbered.finish(wire, job, answer)
    else:
        await wire.db(execution.finish, job, answer, wire.clock())
    if stop:
        await wire.db(home.look_after, job.orders, wire.clock())
    return await wire.db(between.take_next, wire.connection_pk, wire.clock)


async def _finish_politely(wire: Wire, job: execution.Job, answer: execution.Answer, began: float) -> between.Next:
    """Write down an answer, and what leaves next; a team that sends much first lets others go."""
    manners, now = wire.manners, wire.manners.clock()
    manners.done(wire.team)
    rested = now + (now - began)
    is_polite = manners.wait(wire.team, now, asked=now, rested=rested) > 0
    more = await _write_with_others(wire, job, answer)
    if more is None and not is_polite:
        finish = between.finish_and_take_next
        return await wire.db(finish, job, answer, wire.connection_pk, wire.clock(), wire.clock)
    # What has come back is written down at once, and what leaves next is not written down before it may leave.
    if more is None:
        more = await wire.db(execution.finish, job, answer, wire.clock())
    if not more:
        return between.Next()
    if is_polite and not await wire.db(between.has_ways_out, wire.connection_pk, wire.clock()):
        await manners.let_others(wire.team, rested=rested)
    if wire.stopping.is_set():
        return between.Next()
    return await wire.db(between.take_next, wire.connection_pk, wire.clock)


async def _write_with_others(wire: Wire, job: execution.Job, answer: execution.Answer) -> bool | None:
    """Write an answer down in one statement with those that came to other lanes at the same moment.

    Whether more of the connection waits to leave; None, and nothing written, where it had no company or is not so usual.
    """
    return await wire.answers.ask(Came(job, answer, wire.clock())) if wire.answers is not None else None


def _concerns_a_stop(job: execution.Job, outcome: SubmissionOutcome) -> bool:
    """Whether the answer may leave something without the stop it was to have, or give it one that it lacked."""
    if all(order.role != Role.STOP_LOSS for order in job.orders):
        return False
    if job.orders[0].role == Role.STOP_LOSS:
        return True
    return not isinstance(outcome, Accepted) or any(ack.status is OrderStatus.REJECTED for ack in outcome.acks)


async def _note_not_sent(wire: Wire, connection: Connection, outcome: NotSent) -> None:
    """A pause is a state of its own; otherwise the session is looked at before anything more leaves."""
    if outcome.pause is not None:
        await wire.db(sessions.failed, connection, outcome.pause, wire.clock())
    else:
        await wire.db(sessions.doubted, wire.connection_pk)


async def _set_simulated_price(wire: Wire, connection: Connection, order: Order) -> None:
    """Move a simulated market without prices of its own to the signal's price before the order arrives."""
    if order.signal_price is not None and control_plane.trades_at_signals(connection):
        await wire.db(control_plane.set_price, connection.username, order.conid, order.signal_price)


async def change_orders(wire: Wire, connection: Connection) -> set[str]:
    """Change orders where they stand, as plans and people ask; what is in doubt waits until it is looked up.

    Returns the accounts whose orders are to be read: what cannot be changed may be over, or of another size than we knew.
    """
    refused: set[str] = set()
    for kind in CHANGES:
        while change := await wire.db(kind.next_change, wire.connection_pk, wire.clock()):
            if change.doubtful:
                break
            outcome = await _send_change(wire, connection, kind, change.order)
            if isinstance(outcome, Refused):
                refused.add(change.order.account.account_id)
            if isinstance(outcome, NotSent):
                return refused
    return refused


async def _send_change(wire: Wire, connection: Connection, kind: ChangeKind, order: Order) -> SubmissionOutcome:
    """Send one change and answer IBKR's questions about it; returns its last word."""
    attempt, leg = await wire.db(kind.begin, order, wire.clock())
    with _about(order):
        outcome = await wire.broker.modify(order.account.account_id, order.broker_order_id, leg)
    answer = await replies.answer(wire, connection, order, attempt, outcome)
    await wire.db(kind.finish, order, attempt, answer, wire.clock())
    if isinstance(answer.outcome, NotSent):
        await _note_not_sent(wire, connection, answer.outcome)
    # What waited for this change may leave now.
    wire.wake.set()
    return answer.outcome
