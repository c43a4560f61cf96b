"""Orders in a contract that IBKR knows by another number today: looked up once more before one is called refused.

A split gives a share another number, and IBKR refuses the old one. The number is asked for again with what is held under
it, and the order's signal is decided once more by that.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from brokers.book import choices, contracts, holdings
from brokers.domain.brokerage import BrokerError, Refused
from brokers.domain.contracts.candidates import AmbiguousSymbol
from brokers.domain.orders import OVER, Contract, OrderStatus
from brokers.models import BrokerageAccount, ContractLookup, Order, Ticket
from brokers.orders import execution, unsent
from brokers.postgres.notices import DECISIONS_CHANNEL, WORK, notify
from brokers.processes.wire import Wire

RENUMBERED = "contract-renumbered"


def is_unknown_contract(answer: execution.Answer) -> bool:
    """Whether IBKR refused an order for want of its contract."""
    return isinstance(answer.outcome, Refused) and answer.outcome.code == contracts.NOT_KNOWN_AT_ORDER


async def finish(wire: Wire, job: execution.Job, answer: execution.Answer) -> None:
    """Write down a refusal for want of the contract, after IBKR was asked for the contract anew."""
    lookup = await wire.db(contracts.to_ask_anew, job.orders[0], wire.clock())
    chosen = None if lookup is None else await wire.db(choices.chosen_for, lookup)
    found = None if lookup is None else await _asked(wire, lookup, chosen)
    if lookup is None or found is None or found.conid == job.orders[0].conid:
        await wire.db(execution.finish, job, answer, wire.clock())
        return
    account = await wire.db(BrokerageAccount.objects.get, pk=job.orders[0].account_id)
    as_of = wire.clock()
    try:
        positions, summary, terms = await asyncio.gather(
            wire.broker.positions(account.account_id),
            wire.broker.summary(account.account_id),
            wire.broker.rules(found),
        )
    except BrokerError:
        # Without what is held under the new number nothing can be decided anew.
        await wire.db(execution.finish, job, answer, wire.clock())
        return
    await wire.db(contracts.answer, lookup, now=wire.clock(), contract=found, terms=terms, chosen=chosen)
    await wire.db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of)
    await wire.db(_end, job, answer, found, wire.clock())


async def _asked(wire: Wire, lookup: ContractLookup, chosen: int | None) -> Contract | None:
    """The contract as IBKR names it now. Where only a person can say which it is, they are asked."""
    try:
        return await wire.broker.contract(contracts.instrument_of(lookup), chosen)
    except AmbiguousSymbol as several:
        await wire.db(contracts.answer, lookup, now=wire.clock(), refusal=several, chosen=chosen)
        return None
    except BrokerError:
        return None


def _sentence(order: Order, contract: Contract, *, again: bool) -> str:
    """What happened to the order, and what follows."""
    said = (
        f"Not placed: IBKR knows {order.instrument} as contract {contract.conid} today, and the old number {order.conid} "
        "no more."
    )
    if not again:
        return f"{said} Look at the position, then send the signal again."
    return f"{said} Its signal is decided once more, by what IBKR holds under the new number."


@transaction.atomic
def _end(job: execution.Job, answer: execution.Answer, contract: Contract, now: datetime) -> None:
    """Write the refusal down, and let the signal be decided once more where one stands behind the order."""
    order = job.orders[0]
    again = _can_be_decided_again(job)
    refused = Refused(reason=_sentence(order, contract, again=again), code=RENUMBERED)
    execution.finish(job, replace(answer, outcome=refused), now)
    if again:
        # What was to follow it is planned anew too, and must not wait beside that under the old number.
        for waiting in order.ticket.orders.filter(status=str(OrderStatus.CREATED)).select_related(
            "ticket", "connection"
        ):
            unsent.end_unsent(waiting, OrderStatus.CANCELED, refused.reason, now)
        Ticket.objects.filter(pk=job.orders[0].ticket_id).update(unfit_at=now)
        notify(DECISIONS_CHANNEL, f"{WORK}{order.connection_id}")


def _can_be_decided_again(job: execution.Job) -> bool:
    """Whether a signal stands behind the orders, and nothing else of its ticket is on its way or at work."""
    order = job.orders[0]
    if getattr(order.ticket, "decision", None) is None:
        return False
    mine = {each.pk for each in job.orders}
    others = order.ticket.orders.exclude(pk__in=mine).exclude(parent__in=mine)
    return not others.exclude(status__in=[str(status) for status in OVER]).exists()
