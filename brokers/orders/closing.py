"""The end of a position, ours or not: cancel what works in it, send the market order, until the broker shows none.

Nothing is assumed. An order is sent only for what a fresh book shows, made after the last fill and the last cancel; a
book that is old or missing never reads as "no position".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet, Sum, Value

from accounts import audit
from accounts.models import Team, User
from accounts.refusals import Refusal
from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.connections import connections, nights
from brokers.domain.elsewhere import classes
from brokers.domain.orders import (
    WORKING,
    AssetClass,
    Instrument,
    OrderIntent,
    OrderType,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from brokers.domain.sessions import Environment
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    Order,
    Position,
)
from brokers.models.options.combos import HeldCombo
from brokers.orders import cancels, tickets
from brokers.orders.closings import closed, combos, own_orders, waiting
from brokers.orders.waits import behind_cancels

MOST_ATTEMPTS = 5
# Closings that one look takes further, for so long.
MOST, LONGEST_SECONDS = 2_000, 1.0
# How long it may take until IBKR has an order for it; a market order that rests there waits for its market instead.
LONGEST = timedelta(minutes=15)
DONE, FAILED, OPEN = Closing.Status.DONE, Closing.Status.FAILED, Closing.Status.OPEN
# How long a position that could not be closed is shown.
SHOWN_FOR = timedelta(days=1)
# How long the page of positions says how a close has ended.
DONE_SHOWN_FOR = timedelta(hours=1)


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

    A wish for a part grows into one for all of it when that is asked for. What is a leg of a combo is closed with the other
    leg, as one order; that wish is returned. Raises NotClosable where IBKR holds it as something that Halyard has no orders
    for, and for a part that would leave a leg alone.
    """
    if (refusal := way_out_missing(account, conid, ticker, asset_class)) is not None:
        raise NotClosable(refusal.reason, refusal.code)
    if (holding := combos.of_leg(account, conid, asset_class, now)) is not None:
        if quantity is None:
            whole = _close_whole(account, holding, reason, actor, now)
            if holding.alone:
                _wish(account, conid, ticker, asset_class, holding.alone, reason, actor, now)
            return whole[0]
        if quantity > holding.alone:
            raise NotClosable(holding.refusal, combos.CODE)
    return _wish(account, conid, ticker, asset_class, quantity, reason, actor, now)


def close_combo(
    *, account: BrokerageAccount, combo: HeldCombo, quantity: Decimal, reason: str, now: datetime
) -> Closing:
    """Wish the end of `quantity` of a combo of ours, both legs as one order; what is held of its legs beside it stays."""
    with transaction.atomic():
        return _wish(account, combo.number, combo.ticker, AssetClass.OPTION, quantity, reason, None, now)


def _close_whole(
    account: BrokerageAccount, holding: combos.LegHeld, reason: str, actor: User | None, now: datetime
) -> list[Closing]:
    """Wish the end of the combos that an option is a leg of: no leg is left alone."""
    return [
        _wish(account, each.number, each.ticker, AssetClass.OPTION, None, reason, actor, now) for each in holding.combos
    ]


def _wish(
    account: BrokerageAccount,
    conid: int,
    ticker: str,
    asset_class: AssetClass | str,
    quantity: Decimal | None,
    reason: str,
    actor: User | None,
    now: datetime,
) -> Closing:
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
    """Take open closings one step further; returns how many have moved. Cheap where there is none.

    Team by team in turn, each in a transaction of its own, for a second at most: a flood of them holds up no other team.
    Of one team's, each look begins with other ones: those whose orders rest until their market opens stand before none.
    """
    keys = in_turn(Closing.objects.filter(status=OPEN), MOST, order="?")
    return in_portions(keys, lambda one: _take_further(one[0], now), at_once=1, seconds=LONGEST_SECONDS)


@transaction.atomic
def _take_further(key: int, now: datetime) -> bool:
    # Another process may be at it, and a second one has nothing to add.
    rows = Closing.objects.select_for_update(of=("self",), skip_locked=True)
    closing = rows.select_related("account__connection").filter(pk=key, status=OPEN).first()
    return closing is not None and _step(closing, now)


def shown_to(team: Team, now: datetime) -> list[Closing]:
    """Positions of the team that are being closed, those that lately could not be, and those just closed; newest first."""
    shown = Q(status=OPEN) | Q(status=FAILED, ended_at__gte=now - SHOWN_FOR)
    shown |= Q(status=DONE, ended_at__gte=now - DONE_SHOWN_FOR)
    return list(Closing.objects.filter(shown, team=team).select_related("account__connection").order_by("-pk"))


def accounts_to_read(now: datetime, shard: int = 0, shards: int = 1) -> dict[int, set[int]]:
    """Accounts whose book a closing waits for, by connection: the stream reads these first.

    Without those that IBKR no longer shows under the connection's login, which nobody can read.
    """
    wanted: dict[int, set[int]] = {}
    rows = Closing.objects.filter(status=OPEN, account__connection__enabled=True)
    rows = rows.exclude(account__capabilities_as_of=None).alias(rest=F("account__connection_id") % Value(shards))
    for closing, moments in waiting.for_a_book(rows.filter(rest=shard)):
        if waiting.book_missing(closing, now, moments) is not None:
            wanted.setdefault(closing.account.connection_id, set()).add(closing.account_id)
    return wanted


def _step(closing: Closing, now: datetime) -> bool:
    """What can be done now; True when something was."""
    own = own_orders.sent_for(closing)
    foreign = own_orders.may_fill(closing).exclude(pk__in=own.values("pk"))
    if foreign.exists():
        cause = f"The position in {closing.ticker} is being closed: {closing.reason}"
        asked = cancels.cancel_all(foreign, actor=None, cause=cause, now=now)
        if foreign.exists():
            held = behind_cancels.held_by(foreign, now)
            note = waiting.about_foreign(foreign) if held is None else behind_cancels.why_waiting(*held)
            return _wait(closing, note, now, patient=held is not None) or bool(asked)
    if theirs := waiting.theirs_being_canceled(closing, now):
        return _wait(closing, theirs, now)
    sent = own.filter(status__in=own_orders.MAY_STILL_FILL).order_by("-pk").first()
    if sent is not None:
        return _wait(closing, waiting.about_sent(sent, now), now, patient=sent.status in WORKING)
    # Before the book is held against what has happened, and again behind it: what a combo fills in between moves its legs.
    most = combos.most(closing, now) if closing.asset_class == AssetClass.OPTION else None
    if (missing := waiting.book_missing(closing, now)) is not None:
        return _wait(closing, missing, now)
    if combos.legs_renamed(closing):
        return _follow_split(closing, own, now)
    if (other := combos.called_otherwise(closing)) is not None:
        return _wait(closing, f"IBKR lists it as {other} now. Waiting until it is known how many that is.", now)
    return _close_what_is_held(closing, own, now, most)


def _close_what_is_held(closing: Closing, own: QuerySet[Order], now: datetime, most: Decimal | None) -> bool:
    position = combos.held_in(closing, now)
    if position is None:
        return _nothing_is_held(closing, own, now)
    if (refusal := classes.no_way_out(position.ticker, position.asset_class)) is not None:
        return _end(closing, FAILED, refusal.reason, now)
    side = Side.SELL if position.quantity > 0 else Side.BUY
    left = abs(position.quantity)
    if (holding := combos.of_leg(closing.account, closing.conid, closing.asset_class, now)) is not None:
        # It became one while the close waited.
        if closing.quantity is None:
            _close_whole(closing.account, holding, closing.reason, closing.asked_by, now)
            if not holding.alone:
                return _end(closing, DONE, holding.closed_whole, now)
            closing.quantity = holding.alone
            closing.save(update_fields=["quantity"])
        left = min(left, holding.alone)
    left = left if most is None else min(left, most)
    if closing.quantity is not None:
        rest = closing.quantity - (own.aggregate(sum=Sum("filled_quantity"))["sum"] or Decimal(0))
        turned = own.exclude(side=side).exists()
        left = min(left, rest)
        if rest <= 0 or turned:
            return _end(
                closing, DONE, f"Closed in part, as asked for. {closed.in_words(closing, own.order_by('pk'), now)}", now
            )
    if left <= 0:
        if holding is not None and not holding.alone:
            return _end(closing, DONE, holding.refusal, now)
        return _wait(closing, "Waiting for the account's positions after the last fill of a combo.", now)
    if waiting.may_be_an_old_list(closing, own):
        return _wait(closing, "Waiting for the account's positions to show what the last order closed.", now)
    if (declined := own_orders.declined(own)) is not None:
        return _give_up(closing, declined, now)
    if closing.attempts >= MOST_ATTEMPTS:
        return _give_up(closing, f"{MOST_ATTEMPTS} market orders did not end it. {own_orders.last_words(own)}", now)
    _send(closing, position, side, left, now)
    return True


def _follow_split(closing: Closing, own: QuerySet[Order], now: datetime) -> bool:
    """A split has renamed legs of the combo that is closed: nothing was closed by that, and what they are now is closed."""
    if combos.legs_renamed(closing) == 1:
        return _wait(closing, "Waiting for IBKR to show both legs after the split of their share.", now)
    filled = own.aggregate(sum=Sum("filled_quantity"))["sum"] or Decimal(0)
    if problem := combos.follow_split(closing, filled):
        return _end(closing, FAILED, problem, now)
    return _wait(closing, f"A split has made it {closing.ticker}.", now)


def _nothing_is_held(closing: Closing, own: QuerySet[Order], now: datetime) -> bool:
    """It is closed; unless what it is in may have become another contract, by a split that nobody has told yet."""
    if combos.may_be_split(closing):
        note = f"{closing.ticker} may have been split, and nobody has said so yet. Answer the question on the page of the account."
        return _wait(closing, note, now, patient=True)
    if combos.may_be_told(closing, now):
        note = f"IBKR lists no {closing.ticker} any more, and no fill explains it yet. Waiting for IBKR's next list and fills."
        return _wait(closing, note, now, patient=True)
    return _end(closing, DONE, closed.in_words(closing, own.order_by("pk"), now), now)


def _send(
    closing: Closing, position: Position | combos.ComboHeld, side: Side, quantity: Decimal, now: datetime
) -> None:
    """One market order for what is held; its key is derived, so that it is made once."""
    lookup = ContractLookup.objects.numbered(closing.account.connection_id, closing.conid).first()
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
        key=own_orders.key(closing, closing.attempts),
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


def _wait(closing: Closing, note: str, now: datetime, *, patient: bool = False) -> bool:
    """Note what it waits for; after LONGEST without an order at IBKR, give up. True when the note is new."""
    if not patient and now > _until(closing):
        cancels.cancel_all(
            own_orders.sent_for(closing), actor=None, cause="The position could not be closed in time.", now=now
        )
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
    began, connection = own_orders.began_at(closing), closing.account.connection
    if connection.environment == Environment.SIMULATED:
        return began + LONGEST
    return nights.resets().deadline(began, began + LONGEST, nights.region_of(connection))


def _give_up(closing: Closing, why: str, now: datetime) -> bool:
    advice = f"Close {closing.ticker} in IBKR's own app, or close it here again."
    room = 299 - len(advice)
    return _end(closing, FAILED, f"{why[:room].rstrip()} {advice}", now)


def _end(closing: Closing, status: Closing.Status, note: str, now: datetime) -> bool:
    closing.status, closing.note, closing.ended_at = status, note[:300], now
    closing.save(update_fields=["status", "note", "ended_at"])
    live.account_changed(closing.account)
    return True
