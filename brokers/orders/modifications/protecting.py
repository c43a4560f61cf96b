"""A person gives a position that has neither a stop, a target, or both; of both, whichever fills first cancels the other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers.domain.contracts.changes import in_words
from brokers.domain.elsewhere import classes
from brokers.domain.orders import (
    MAY_FILL,
    OF_FUTURES,
    AssetClass,
    Contract,
    Instrument,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    Execution,
    ForeignOrder,
    Order,
    Position,
    Ticket,
    UnexplainedChange,
)
from brokers.models.options import combos as held_combos
from brokers.orders import tickets
from brokers.orders.closings import combos
from brokers.orders.modifications import checks
from brokers.orders.modifications.asking import LEAVES_WITHIN
from brokers.orders.modifications.checks import NotChangeable
from brokers.postgres.notices import ORDERS_CHANNEL, notify

STOP, TARGET = "stop_price", "limit_price"
_ROLES = {STOP: (Role.STOP_LOSS, OrderType.STOP), TARGET: (Role.TAKE_PROFIT, OrderType.LIMIT)}
_NAMES = {STOP: "stop", TARGET: "target"}


def legs(account: BrokerageAccount, position: Position) -> dict[str, list[Order]]:
    """The stops and the targets of a position that may fill, by the name of their price. Those of an entry that has not
    filled are the entry's."""
    side = str(_way_out(position))
    rows = Order.objects.filter(
        account=account,
        conid=position.conid,
        side=side,
        role__in=[str(role) for role, _ in _ROLES.values()],
        status__in=[str(status) for status in MAY_FILL],
    )
    rows = rows.exclude(parent__role=str(Role.ENTRY), parent__filled_quantity=0, parent__status__in=_MAY_FILL)
    found = list(rows.select_related("account__connection").order_by("pk"))
    return {name: [row for row in found if row.role == role] for name, (role, _) in _ROLES.items()}


_MAY_FILL = [str(status) for status in MAY_FILL]


def protect(
    *, account: BrokerageAccount, conid: int, values: Mapping[str, Decimal], actor: User | None, now: datetime
) -> Ticket:
    """Place a stop, a target, or both in one group, for a position that has neither. Raises NotChangeable.

    Nothing that protects it is canceled for that: a stop that is gone may not come back. The size is the position's by a
    fresh book; an old one is asked for anew.
    """
    if (stale := _wants_look(account, conid, now)) is not None:
        raise NotChangeable(stale, "book-is-old")
    return _protect(account, conid, values, actor, now)


@transaction.atomic
def _protect(
    account: BrokerageAccount, conid: int, values: Mapping[str, Decimal], actor: User | None, now: datetime
) -> Ticket:
    position = Position.objects.select_for_update().filter(account=account, conid=conid).first()
    if position is None or not position.quantity:
        raise NotChangeable(
            "The account holds no such position any more, so there is nothing to protect.", "no-position"
        )
    if (refusal := classes.no_way_out(position.ticker, position.asset_class)) is not None:
        raise NotChangeable(refusal.reason, refusal.code)
    if combos.of_leg(account, conid, position.asset_class, now) is not None:
        raise NotChangeable(
            f"{position.ticker} is a leg of a combo: a stop or a target of it would leave the other leg alone. Close the combo "
            "instead.",
            combos.CODE,
        )
    if Closing.objects.filter(account=account, conid=conid, status=Closing.Status.OPEN).exists():
        raise NotChangeable("The position is being closed, so nothing is placed beside that.", "being-closed")
    there, contract = legs(account, position), _contract_of(account, position)
    _check(position, contract, there, values)
    quantity = _left(account, position)
    wanted = [_intent(position, name, value, quantity) for name, value in values.items()]
    draft = tickets.Draft(
        account=account,
        key=uuid.uuid4(),
        conid=conid,
        currency=contract.currency or position.currency,
        multiplier=contract.multiplier,
        intents=(_grouped(wanted),),
        cancels=(),
        expires_at=now + LEAVES_WITHIN,
        cause=f"placed by {actor} to protect the position" if actor else "placed to protect the position",
        held_as=position.asset_class,
    )
    ticket = tickets.open_tickets([draft], now)[0]
    audit.record(
        team=account.team,
        actor=actor,
        action="position.protected",
        subject=f"{account.account_id} {position.ticker}",
        now=now,
        after={"protection": in_words(values)},
    )
    return ticket


def _check(
    position: Position, contract: Contract, there: Mapping[str, list[Order]], values: Mapping[str, Decimal]
) -> None:
    if not values:
        raise NotChangeable("Fill in a stop, a target, or both, then try again.", "nothing-to-change")
    for name, price in values.items():
        if there[name]:
            reason = f"The position has a {_NAMES[name]} that works. Move that one instead: its page has the button."
            raise NotChangeable(reason, f"has-a-{_NAMES[name]}")
        role, kind = _ROLES[name]
        subject = checks.Subject(
            role=role,
            side=_way_out(position),
            type=kind,
            status=OrderStatus.ACCEPTED,
            quantity=abs(position.quantity),
            filled=Decimal(0),
            market=position.market_price,
        )
        checks.check(subject, {name: price}, {price: contract.tick_at(price)})
    if any(there.values()):
        has = next(_NAMES[name] for name, rows in there.items() if rows)
        reason = (
            f"The position has a {has} that works, and one placed beside it would not be linked to it at IBKR: both could "
            f"fill. Cancel the {has}, then add the stop and the target together."
        )
        raise NotChangeable(reason, "one-leg-works")
    _check_elsewhere(position)


def _check_elsewhere(position: Position) -> None:
    """Orders placed elsewhere that close it too would close it twice."""
    theirs = ForeignOrder.objects.filter(
        account=position.account_id, conid=position.conid, side=str(_way_out(position)), remaining__gt=0
    )
    if theirs.exists():
        reason = (
            f"An order placed elsewhere to {_way_out(position)} {position.ticker} works, and with a second one both could fill. "
            "Cancel it on its page, or keep it instead."
        )
        raise NotChangeable(reason, "order-elsewhere")


def _wants_look(account: BrokerageAccount, conid: int, now: datetime) -> str | None:
    """Why the position's size cannot be relied on, with the look at it asked for; None where the book is fresh and nothing has
    filled or was sent since."""
    rows = BrokerageAccount.objects.select_related("connection").filter(pk=account.pk)
    known = rows.get()
    as_of = known.book_as_of
    if as_of is not None and known.is_present(now):
        newer = Execution.objects.filter(account=account, conid=conid, seen_at__gt=as_of)
        # What combos fill moves their legs, too.
        orders = Order.objects.filter(account=account, conid__in=held_combos.numbers_beside(account.pk, conid))
        filled = orders.filter(filled_quantity__gt=0, changed_at__gt=as_of)
        unexplained = UnexplainedChange.objects.filter(account=account, conid=conid)
        if not (newer.exists() or filled.exists() or unexplained.exists()):
            return None
    BrokerageAccount.objects.filter(pk=account.pk).update(book_wanted_at=now)
    notify(ORDERS_CHANNEL, str(account.connection_id))
    return "How much is held is not certain at this moment, so nothing was sent. Halyard asks IBKR now: try again in a moment."


def _left(account: BrokerageAccount, position: Position) -> Decimal:
    """What of the position does not leave already by an exit."""
    exits = Order.objects.filter(
        account=account,
        conid=position.conid,
        role=str(Role.EXIT),
        side=str(_way_out(position)),
        status__in=_MAY_FILL,
    )
    left = abs(position.quantity) - sum((row.remaining for row in exits), Decimal(0))
    if left <= 0:
        reason = f"All {grouped(abs(position.quantity))} of {position.ticker} are leaving already."
        raise NotChangeable(reason, "already-exiting")
    return left


def _way_out(position: Position) -> Side:
    return Side.SELL if position.quantity > 0 else Side.BUY


def _contract_of(account: BrokerageAccount, position: Position) -> Contract:
    lookup = ContractLookup.objects.filter(
        connection=account.connection_id, conid=position.conid, status="found"
    ).first()
    instrument = Instrument(ticker=position.ticker, asset_class=AssetClass(position.asset_class))
    if lookup is None:
        return Contract(instrument=instrument, conid=position.conid, currency=position.currency)
    return lookup.value()


def _intent(position: Position, name: str, price: Decimal, quantity: Decimal) -> OrderIntent:
    role, kind = _ROLES[name]
    return OrderIntent(
        role=role,
        instrument=Instrument(ticker=position.ticker, asset_class=AssetClass(position.asset_class)),
        side=_way_out(position),
        type=kind,
        quantity=quantity,
        stop_price=price if name == STOP else None,
        limit_price=price if name == TARGET else None,
        time_in_force=TimeInForce.GTC,
        # The price of a future moves all night.
        outside_rth=position.asset_class in OF_FUTURES,
    )


def _grouped(intents: list[OrderIntent]) -> OrderIntent:
    """One group in which a fill cancels the rest; the stop goes first, so that it arrives if only one does."""
    head, *rest = sorted(intents, key=lambda each: each.role is not Role.STOP_LOSS)
    return replace(head, then=tuple(replace(each, release=Release.IN_GROUP) for each in rest))
