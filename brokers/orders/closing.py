"""The end of a position, ours or not: cancel what works in it, send the market order, until the broker shows none.

Nothing is assumed. An order is sent only for what a fresh book shows, made after the last fill and the last cancel; a
book that is old or missing never reads as "no position".
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet, Sum

from accounts import audit
from accounts.models import Team, User
from accounts.refusals import Refusal
from accounts.turns import in_turn
from brokers import live
from brokers.connections import connections, nights
from brokers.domain import questions
from brokers.domain.elsewhere import classes
from brokers.domain.orders import (
    MAY_FILL,
    WORKING,
    AssetClass,
    Instrument,
    OrderIntent,
    OrderStatus,
    OrderType,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from brokers.domain.session import clocks
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    Execution,
    ForeignOrder,
    Order,
    Position,
    SubmissionAttempt,
)
from brokers.orders import cancels, closed, tickets
from brokers.orders.waits import behind_cancels
from brokers.rulebook.calendars import us_shares, us_shares_as_listed

MOST_ATTEMPTS = 5
# Closings that one look takes further.
MOST = 2_000
# How long it may take until IBKR has an order for it; a market order that rests there waits for its market instead.
LONGEST = timedelta(minutes=15)
# How long it waits for the cancel of orders placed elsewhere that somebody wished with it.
THEIRS_AT_MOST = timedelta(minutes=1)
# IBKR's positions may lag behind its fills: what an order has just closed is not closed again because of an old list.
BELIEVED_AFTER = timedelta(seconds=30)
DONE, FAILED, OPEN = Closing.Status.DONE, Closing.Status.FAILED, Closing.Status.OPEN
# How long a position that could not be closed is shown.
SHOWN_FOR = timedelta(days=1)
# How long the page of positions says how a close has ended.
DONE_SHOWN_FOR = timedelta(hours=1)
_MAY_FILL = [str(status) for status in MAY_FILL]


class NotClosable(Refusal):
    """Halyard has no order that would end this position."""


@transaction.atomic
def close(
    *,
    account: BrokerageAccount,
    conid: int,
    ticker: str,
    asset_class: AssetClass | str,
    quantity: Decimal | None = None,
    reason: str,
    actor: User | None,
    now: datetime,
) -> Closing:
    """Wish the end of a position, or of `quantity` of it. One wish at a time: a second call returns the open one.

    A wish for a part grows into one for all of it when that is asked for. Raises NotClosable where IBKR holds it as
    something that Halyard has no orders for.
    """
    if (refusal := way_out_missing(account, conid, ticker, asset_class)) is not None:
        raise NotClosable(refusal.reason, refusal.code)
    wish = _open_one(account, conid)
    if wish is None:
        try:
            with transaction.atomic():
                wish = Closing.objects.create(
                    team_id=account.team_id,
                    account=account,
                    conid=conid,
                    ticker=ticker,
                    asset_class=asset_class,
                    quantity=quantity,
                    reason=reason[:200],
                    asked_by=actor,
                    asked_at=now,
                )
        except IntegrityError:
            # Somebody else asked at this very moment.
            wish = Closing.objects.select_for_update().get(account=account, conid=conid, status=OPEN)
    if quantity is None and wish.quantity is not None:
        wish.quantity, wish.reason = None, reason[:200]
        wish.save(update_fields=["quantity", "reason"])
    audit.record(
        team=account.team,
        actor=actor,
        action="position.close_requested",
        subject=f"{ticker} in {account.account_id}",
        now=now,
        after={"quantity": "all" if wish.quantity is None else str(wish.quantity), "reason": reason[:200]},
    )
    _step(wish, now)
    return wish


def way_out_missing(
    account: BrokerageAccount, conid: int, ticker: str, asset_class: AssetClass | str
) -> classes.Refusal | None:
    """Why no order can end this position. What IBKR holds decides; the caller's class counts where it holds nothing."""
    held = Position.objects.filter(account=account, conid=conid).values_list("ticker", "asset_class").first()
    return classes.no_way_out(*(held or (ticker, str(asset_class))))


def _open_one(account: BrokerageAccount, conid: int) -> Closing | None:
    return Closing.objects.select_for_update().filter(account=account, conid=conid, status=OPEN).first()


def work(now: datetime) -> int:
    """Take every open closing one step further, team by team in turn; how many have moved. Cheap where there is none."""
    moved = 0
    for pk in in_turn(Closing.objects.filter(status=OPEN), MOST):
        with transaction.atomic():
            # Another process may be at it, and a second one has nothing to add.
            waiting = Closing.objects.select_for_update(of=("self",), skip_locked=True)
            closing = waiting.select_related("account__connection").filter(pk=pk, status=OPEN).first()
            moved += closing is not None and _step(closing, now)
    return moved


def shown_to(team: Team, now: datetime) -> list[Closing]:
    """Positions of the team that are being closed, those that lately could not be, and those just closed; newest first."""
    shown = Q(status=OPEN) | Q(status=FAILED, ended_at__gte=now - SHOWN_FOR)
    shown |= Q(status=DONE, ended_at__gte=now - DONE_SHOWN_FOR)
    return list(Closing.objects.filter(shown, team=team).select_related("account__connection").order_by("-pk"))


def accounts_to_read(now: datetime, shard: int = 0, shards: int = 1) -> dict[int, set[int]]:
    """Accounts whose book a closing waits for, by connection: the stream reads these first."""
    waiting: dict[int, set[int]] = {}
    for closing in Closing.objects.filter(status=OPEN, account__connection__enabled=True).select_related(
        "account__connection"
    ):
        account = closing.account
        if (
            account.connection_id % shards == shard
            and not _may_fill(closing).exists()
            and _book_missing(closing, now) is not None
        ):
            waiting.setdefault(account.connection_id, set()).add(account.pk)
    return waiting


def _step(closing: Closing, now: datetime) -> bool:
    """What can be done now; True when something was."""
    own = _own_orders(closing)
    foreign = _may_fill(closing).exclude(pk__in=own.values("pk"))
    if foreign.exists():
        cause = f"The position in {closing.ticker} is being closed: {closing.reason}"
        asked = cancels.cancel_all(foreign, actor=None, cause=cause, now=now)
        if foreign.exists():
            held = behind_cancels.held_by(foreign, now)
            note = _about_foreign(foreign) if held is None else behind_cancels.why_waiting(*held)
            return _wait(closing, note, now, patient=held is not None) or bool(asked)
    if theirs := _theirs_being_canceled(closing, now):
        return _wait(closing, theirs, now)
    sent = own.filter(status__in=_MAY_FILL).order_by("-pk").first()
    if sent is not None:
        return _wait(closing, _about_sent(sent, now), now, patient=sent.status in WORKING)
    if (missing := _book_missing(closing, now)) is not None:
        return _wait(closing, missing, now)
    return _close_what_is_held(closing, own, now)


def _close_what_is_held(closing: Closing, own: QuerySet[Order], now: datetime) -> bool:
    position = Position.objects.filter(account=closing.account, conid=closing.conid).first()
    if position is None:
        return _end(closing, DONE, closed.in_words(closing, own.order_by("pk"), now), now)
    if (refusal := classes.no_way_out(position.ticker, position.asset_class)) is not None:
        return _end(closing, FAILED, refusal.reason, now)
    side = Side.SELL if position.quantity > 0 else Side.BUY
    left = abs(position.quantity)
    if closing.quantity is not None:
        gone = own.aggregate(sum=Sum("filled_quantity"))["sum"] or Decimal(0)
        turned = own.exclude(side=side).exists()
        left = min(left, closing.quantity - gone)
        if left <= 0 or turned:
            return _end(
                closing, DONE, f"Closed in part, as asked for. {closed.in_words(closing, own.order_by('pk'), now)}", now
            )
    if _may_be_an_old_list(closing, own):
        return _wait(closing, "Waiting for the account's positions to show what the last order closed.", now)
    if (declined := _declined(own)) is not None:
        return _give_up(closing, declined, now)
    if closing.attempts >= MOST_ATTEMPTS:
        return _give_up(closing, f"{MOST_ATTEMPTS} market orders did not end it. {_last_words(own)}", now)
    _send(closing, position, side, left, now)
    return True


def _send(closing: Closing, position: Position, side: Side, quantity: Decimal, now: datetime) -> None:
    """One market order for what is held; its key is derived, so that it is made once."""
    lookup = ContractLookup.objects.filter(
        connection=closing.account.connection_id, conid=closing.conid, status="found"
    ).first()
    intent = OrderIntent(
        role=Role.EXIT,
        instrument=Instrument(ticker=closing.ticker, asset_class=AssetClass(closing.asset_class)),
        side=side,
        type=OrderType.MARKET,
        quantity=quantity,
        time_in_force=TimeInForce.DAY,
    )
    closing.attempts += 1
    if closing.average_cost is None:
        closing.average_cost = position.average_cost
    draft = tickets.Draft(
        account=closing.account,
        key=_key(closing, closing.attempts),
        conid=closing.conid,
        currency=lookup.currency if lookup else position.currency,
        multiplier=lookup.multiplier if lookup else Decimal(1),
        intents=(intent,),
        cancels=(),
        expires_at=now + LONGEST,
        cause=f"planned to close the position: {closing.reason}",
    )
    tickets.open_tickets([draft], now)
    closing.note = f"A market order to {side} {grouped(quantity)} is on its way."
    closing.save(update_fields=["attempts", "note", "average_cost"])
    live.account_changed(closing.account)


def _key(closing: Closing, attempt: int) -> uuid.UUID:
    return uuid.uuid5(closing.code, str(attempt))


def _own_orders(closing: Closing) -> QuerySet[Order]:
    """The orders sent for it."""
    return Order.objects.filter(
        account=closing.account_id, ticket__key__in=[_key(closing, n + 1) for n in range(closing.attempts)]
    )


def _may_fill(closing: Closing) -> QuerySet[Order]:
    return Order.objects.filter(account=closing.account_id, conid=closing.conid, status__in=_MAY_FILL)


def _theirs_being_canceled(closing: Closing, now: datetime) -> str:
    """What it waits for where orders placed elsewhere are to be canceled with it: a while, and then it goes on."""
    asked = ForeignOrder.objects.filter(account=closing.account_id, conid=closing.conid)
    count = asked.filter(cancel_asked_at__gt=now - THEIRS_AT_MOST).count()
    orders = "the order" if count == 1 else f"{count} orders"
    return f"Waiting until IBKR has canceled {orders} placed elsewhere." if count else ""


# What it waits for ---------------------------------------------------------------------------------------------------


def _about_foreign(orders: QuerySet[Order]) -> str:
    if orders.filter(status=str(OrderStatus.NEEDS_ATTENTION)).exists():
        return "It is not known what became of an order in it. Look that order up at IBKR."
    count = orders.count()
    return f"Waiting until IBKR has canceled {'the order' if count == 1 else f'{count} orders'} working in it."


def _about_sent(order: Order, now: datetime) -> str:
    status, account = OrderStatus(order.status), order.account
    if status is OrderStatus.CREATED:
        if account.connection.can_trade:
            return "The market order is about to leave."
        return f"The market order waits for the session at IBKR: {account.connection.session_reason}"
    if status not in WORKING:
        return "The market order has left; IBKR has not confirmed it yet."
    if order.held_reason:
        return f"IBKR holds the market order back: {order.held_reason}"
    opens = _opens_at(order, now)
    if opens:
        return f"The market order rests at IBKR until the market opens, {opens}."
    return "The market order works at IBKR; where its market is closed, it rests there until the open."


def _opens_at(order: Order, now: datetime) -> str:
    """When its market opens next: by IBKR's word for this contract, of a US share in its own time; nothing while it is
    open or where we do not know."""
    if order.account.connection.environment == Environment.SIMULATED:
        return ""
    row = ContractLookup.objects.filter(connection=order.connection_id, conid=order.conid, hours__isnull=False).first()
    listed = TradingHours.from_json(row.hours) if row is not None else None
    if order.asset_class != AssetClass.STOCK or order.currency != "USD":
        return _listed_open(listed, now, extended=order.asset_class == AssetClass.FUTURE)
    calendar = us_shares_as_listed(listed.regular) if listed is not None else us_shares()
    if calendar.is_open(now):
        return ""
    return f"{calendar.local(calendar.open_after(now)):%A %H:%M} in New York"


def _listed_open(listed: TradingHours | None, now: datetime, *, extended: bool) -> str:
    if listed is None or listed.is_open(now, extended=extended) is not False:
        return ""
    opens = listed.opens_after(now, extended=extended)
    return "" if opens is None else f"{opens:%A %H:%M} UTC"


def _book_missing(closing: Closing, now: datetime) -> str | None:
    """What the book lacks to be acted on; None when it shows what is held now."""
    account = closing.account
    if not account.is_present(now):
        return "Waiting for a fresh look at the account's positions."
    return None if _is_settled(closing, now) else "Waiting for the account's positions after the last fill or cancel."


def _is_settled(closing: Closing, now: datetime) -> bool:
    """Whether the book was read after everything that is known to have happened in the instrument."""
    as_of = closing.account.book_as_of
    here = {"account": closing.account_id, "conid": closing.conid}
    moments = (
        Order.objects.filter(**here, submitted_at__isnull=False).aggregate(at=Max("changed_at"))["at"],
        Execution.objects.filter(**here).aggregate(at=Max("seen_at"))["at"],
    )
    known = (moment for moment in moments if moment is not None and not clocks.is_ahead(moment, now))
    return as_of is not None and all(as_of > moment for moment in known)


def _may_be_an_old_list(closing: Closing, own: QuerySet[Order]) -> bool:
    last = own.order_by("-pk").first()
    as_of = closing.account.book_as_of
    return last is not None and last.filled_quantity > 0 and (as_of is None or as_of < last.changed_at + BELIEVED_AFTER)


def _wait(closing: Closing, note: str, now: datetime, *, patient: bool = False) -> bool:
    """Note what it waits for; after LONGEST without an order at IBKR, give up. True when the note is new."""
    if not patient and now > _until(closing):
        cancels.cancel_all(_own_orders(closing), actor=None, cause="The position could not be closed in time.", now=now)
        return _give_up(closing, note, now)
    if closing.note == note[:300]:
        return False
    closing.note = note[:300]
    closing.save(update_fields=["note"])
    live.account_changed(closing.account)
    # The book may be what is missing; the stream, which reads it, looks at once.
    connections.wake()
    return True


def _until(closing: Closing) -> datetime:
    """When it is given up; while IBKR restarts its servers the time does not run."""
    began, connection = _began_at(closing), closing.account.connection
    if connection.environment == Environment.SIMULATED:
        return began + LONGEST
    return nights.resets().deadline(began, began + LONGEST, nights.region_of(connection))


def _began_at(closing: Closing) -> datetime:
    """Since when IBKR has had no order for it: from the wish on, or from the end of the last order that worked.

    What it waited for counts as well: a cancel may take until the market opens.
    """
    here = Q(account=closing.account_id, conid=closing.conid, status=str(OrderStatus.CANCELED))
    own = Q(pk__in=_own_orders(closing).values("pk"))
    over = Order.objects.filter(own | here, acknowledged_at__isnull=False).aggregate(at=Max("changed_at"))["at"]
    return max(closing.asked_at, over or closing.asked_at)


# Its end -------------------------------------------------------------------------------------------------------------


def _give_up(closing: Closing, why: str, now: datetime) -> bool:
    advice = f"Close {closing.ticker} in IBKR's own app, or close it here again."
    room = 299 - len(advice)
    return _end(closing, FAILED, f"{why[:room].rstrip()} {advice}", now)


def _last_words(own: QuerySet[Order]) -> str:
    last = own.order_by("-pk").first()
    return "" if last is None or not last.reason else f"The last one: {last.reason}"


def _declined(own: QuerySet[Order]) -> str | None:
    """What became of the last order, where IBKR asked about it and nobody was there to say yes: asking again helps nobody."""
    last = own.order_by("-pk").first()
    if last is None or last.status != OrderStatus.REJECTED:
        return None
    reply = last.attempts.filter(kind=SubmissionAttempt.Kind.REPLY, request__confirmed=False).order_by("-pk").first()
    if reply is None:
        return None
    ids = [str(each) for each in reply.request.get("messages", ())]
    subjects = [questions.PRECAUTIONS[each] for each in ids if each in questions.PRECAUTIONS]
    subject = f"the {subjects[0]}" if subjects else "this order"
    return f"IBKR asked about {subject}, which Halyard does not confirm by itself. {questions.way_out(ids, Role.EXIT)}"


def _end(closing: Closing, status: Closing.Status, note: str, now: datetime) -> bool:
    closing.status, closing.note, closing.ended_at = status, note[:300], now
    closing.save(update_fields=["status", "note", "ended_at"])
    live.account_changed(closing.account)
    return True
