"""The exchange and its books: places, fills, cancels and changes orders. Pure: the caller passes the clock and the quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import combos, expiry, lifetimes, matching, settling
from brokers.simulator.exchange.accounting import Find, Rate, World
from brokers.simulator.exchange.dealing import Dealing, Fill, shrink
from brokers.simulator.exchange.expiry import Deal
from brokers.simulator.exchange.lifetimes import AT_ONCE
from brokers.simulator.exchange.matching import STOPS, TOUCHES
from brokers.simulator.exchange.records import ZERO, Account, Execution, Order, Ticket
from brokers.simulator.market.market import Quote

QuoteOf = Callable[[int], Quote | None]
DAY_IS_OVER = "Its day is over."


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Which rules hold at the moment; each is asked anew at every use."""

    always_open: Callable[[], bool] = lambda: False
    checks_margin: Callable[[], bool] = lambda: True
    days_end: Callable[[], bool] = lambda: True
    legs_wake_early: Callable[[], bool] = lambda: False
    legs_sleep_at_night: Callable[[], bool] = lambda: True


class Engine(Dealing):
    """All accounts and orders of one gateway; the owner sets the last numbers that were in use."""

    def __init__(self, find: Find, quote: QuoteOf, rate: Rate, switches: Switches) -> None:
        super().__init__()
        self.find = find
        self.quote = quote
        self.rate = rate
        self.always_open = switches.always_open
        self.checks_margin = switches.checks_margin
        self.days_end = switches.days_end
        self.legs_wake_early = switches.legs_wake_early
        self.legs_sleep_at_night = switches.legs_sleep_at_night
        self.last_order_id = 0
        self.last_execution = 0

    def restore(self, orders: Iterable[Order], executions: Iterable[Execution]) -> None:
        """Put stored orders and executions back on the books."""
        super().restore(orders, executions)
        for order in self.orders.values():
            if order.working and order.expires_at is None:
                order.expires_at = self._expires_at(order, order.created_at)

    def world(self, now: float) -> World:
        return World(self.find, self.mark, self.rate, now)

    def mark(self, conid: int) -> Decimal:
        quote = self.quote(conid)
        return ZERO if quote is None else quote.last

    # -- orders --------------------------------------------------------------------------------------------------

    def place(
        self, username: str, ticket: Ticket, now: float, *, parent: Order | None = None, oca_group: str = ""
    ) -> Order:
        """Accept a ticket: it works from now on, or is held until its parent has filled."""
        # Numbers follow the clock, so that an emptied database never gives a number out twice.
        self.last_order_id = max(self.last_order_id + 1, int((now - 1_735_689_600) * 10))
        held = parent is not None and parent.status != "Filled"
        order = Order(
            order_id=self.last_order_id,
            username=username,
            account_id=ticket.account_id,
            conid=ticket.conid,
            side=ticket.side,
            order_type=ticket.order_type,
            quantity=ticket.quantity,
            tif=ticket.tif,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            trailing_type=ticket.trailing_type,
            trailing_amount=ticket.trailing_amount,
            reference=ticket.reference,
            parent_id=parent.order_id if parent else None,
            oca_group=oca_group,
            outside_rth=ticket.outside_rth,
            good_till=ticket.good_till,
            legs=ticket.legs,
            fa_group=ticket.fa_group,
            fa_method=ticket.fa_method,
            status="PreSubmitted" if held or waits_at_the_broker(ticket.order_type, ticket.tif) else "Submitted",
            held=held,
            created_at=now,
            updated_at=now,
        )
        order.expires_at = self._expires_at(order, now)
        self.index(order)
        self.changes.append(order)
        return order

    def _expires_at(self, order: Order, at: float) -> float | None:
        instrument = self.find(order.legs[0].conid if order.legs else order.conid)
        if instrument is None:
            return lifetimes.midnight_after(at)
        if order.tif == "DAY" and not self.days_end():
            return None
        return lifetimes.expires_at(order, instrument, at, always_open=self.always_open())

    def set_status(self, order: Order, status: str, now: float, reason: str = "") -> None:
        """Move an order, and let its children and its group follow."""
        order.status = status
        order.updated_at = now
        order.reason = reason or order.reason
        self.changes.append(order)
        if order.working:
            if order.filled > 0 and self.legs_wake_early():
                self._wake_legs(order, now)
            return
        self.rest(order)
        for child in self.children.get(order.order_id, ()):
            if child.working and child.held and order.filled > 0:
                self._release(child, order, now)
            elif child.working and not child.held and order.filled > 0:
                self._cut(child, order, now)
            elif child.working and status != "Filled":
                self.set_status(child, "Cancelled", now, "The parent order was cancelled.")

    def _release(self, child: Order, parent: Order, now: float) -> None:
        """A parent that traded sets its children to work, for no more than it traded."""
        if parent.status != "Filled" and child.quantity > parent.filled:
            shrink(child, child.quantity - parent.filled)
        child.held = False
        waits = waits_at_the_broker(child.order_type, child.tif)
        self.set_status(child, "PreSubmitted" if waits else "Submitted", now)

    def _wake_legs(self, parent: Order, now: float) -> None:
        """Legs of a parent that goes on filling work from its first fill on, for no more than it has filled."""
        for child in self.children.get(parent.order_id, ()):
            if child.working and child.held:
                child.held = False
                waits = waits_at_the_broker(child.order_type, child.tif)
                self.set_status(child, "PreSubmitted" if waits else "Submitted", now)

    def _cut(self, child: Order, parent: Order, now: float) -> None:
        """A leg that woke early is left with what its parent has filled and no leg has closed yet."""
        left = max(self._unclosed(parent), ZERO)
        if child.remaining <= left:
            return
        if child.filled + left > 0:
            shrink(child, child.remaining - left)
            self.set_status(child, "Filled" if child.remaining == 0 else child.status, now)
        else:
            self.set_status(child, "Cancelled", now, "The other leg has closed all that its parent filled.")

    def _unclosed(self, parent: Order) -> Decimal:
        """What a parent has filled and none of its legs has closed."""
        closed = sum((leg.filled for leg in self.children.get(parent.order_id, ()) if leg.side != parent.side), ZERO)
        return parent.filled - closed

    def cancel(self, order: Order, now: float, reason: str = "") -> bool:
        """Cancel a working order; False when it is too late."""
        if not order.working:
            return False
        self.set_status(order, "Cancelled", now, reason)
        return True

    def change(self, order: Order, ticket: Ticket, now: float) -> None:
        """Give a working order new prices, quantity and time in force."""
        order.quantity = ticket.quantity
        order.limit_price = ticket.limit_price
        order.stop_price = ticket.stop_price
        order.trailing_type = ticket.trailing_type
        order.trailing_amount = ticket.trailing_amount
        order.order_type = ticket.order_type
        order.tif = ticket.tif
        order.good_till = ticket.good_till
        order.outside_rth = ticket.outside_rth
        order.expires_at = self._expires_at(order, now)
        if order.filled >= order.quantity:
            self.set_status(order, "Filled", now)
        else:
            self.set_status(order, order.status, now)

    def expire(self, now: float) -> None:
        """Take back every order whose time is over."""
        for book in list(self.working.values()):
            for order in list(book.values()):
                if order.expires_at is not None and now >= order.expires_at:
                    self.cancel(order, now, DAY_IS_OVER)

    def pass_time(self, now: float) -> None:
        """Settle what is due in every account: contracts that are over, proceeds, futures, the end of a day."""
        world = self.world(now)
        for account in self.accounts.values():
            for position, instrument in expiry.overdue(account, world):
                self.retire(account, expiry.last_deals(position, instrument, world), now)
            self.changes.extend(settling.pass_time(account, world))
        for book in list(self.working.values()):
            for order in list(book.values()):
                if any(expiry.is_over(instrument, now) for instrument in self.instruments_of(order)):
                    self.cancel(order, now, "The contract has expired.")

    def retire(self, account: Account, deals: Sequence[Deal], now: float) -> None:
        """Book the end of a contract under an order of the broker's own, which nobody gave."""
        first = deals[0]
        ticket = Ticket(
            account_id=account.account_id,
            conid=first.instrument.conid,
            side="BUY" if first.quantity > 0 else "SELL",
            order_type="MKT",
            quantity=abs(first.quantity),
            tif="DAY",
        )
        order = self.place(account.username, ticket, now)
        for deal in deals:
            self._book(order, Fill(account, deal.instrument, deal.quantity, deal.price, deal.fee), now)
        order.filled, order.average_price = order.quantity, first.price
        self.set_status(order, "Filled", now, first.reason)

    # -- fills ---------------------------------------------------------------------------------------------------

    def scan(self, now: float, *, slice_size: Decimal | None = None, pause_s: float = 0.0) -> None:
        """Let every working order meet the market."""
        for book in list(self.working.values()):
            for order in list(book.values()):
                self.try_fill(order, now, slice_size=slice_size, pause_s=pause_s)

    def try_fill(self, order: Order, now: float, *, slice_size: Decimal | None = None, pause_s: float = 0.0) -> None:
        """Let one order meet the market: part of it may fill, and the next part no sooner than after the pause."""
        if not order.working or order.held or now < order.not_before:
            return
        if order.held_back:
            order.held_back = ""
            self.set_status(order, order.status, now)
        if order.expires_at is not None and now >= order.expires_at:
            self.cancel(order, now, DAY_IS_OVER)
            return
        before = order.filled
        if self.may_trade(order, now):
            if order.legs:
                self._try_combo(order, now)
            elif order.auction:
                self._try_auction(order, now)
            else:
                self._try_quote(order, now, slice_size)
        if order.tif in AT_ONCE and order.working:
            self.cancel(order, now, "Immediate or cancel: the rest found no counterparty.")
        elif order.filled > before:
            order.not_before = now + pause_s

    def may_trade(self, order: Order, now: float) -> bool:
        """Whether the exchange of the order, or of all its legs, is open to it."""
        always, sleeps = self.always_open(), self.legs_sleep_at_night()
        instruments = self.instruments_of(order)
        return bool(instruments) and all(
            lifetimes.may_trade(order, instrument, now, always_open=always, legs_sleep=sleeps)
            for instrument in instruments
        )

    def instruments_of(self, order: Order) -> list[Instrument]:
        """The contract of an order, or those of its legs; none when one is unknown."""
        conids = [leg.conid for leg in order.legs] or [order.conid]
        instruments = [self.find(conid) for conid in conids]
        return [i for i in instruments if i is not None] if None not in instruments else []

    def _try_quote(self, order: Order, now: float, slice_size: Decimal | None) -> None:
        quote, instrument = self.quote(order.conid), self.find(order.conid)
        if quote is None or instrument is None:
            return
        before = order.stop_price, order.triggered
        price = matching.price_for(order, instrument, quote, now)
        quantity = order.remaining if slice_size is None else min(order.remaining, slice_size)
        if order.fill_cap is not None:
            quantity = min(quantity, order.fill_cap - order.filled)
        parent = self.orders.get(order.parent_id) if order.parent_id is not None else None
        if parent is not None and parent.working:
            quantity = min(quantity, self._unclosed(parent))
        if order.tif == "FOK" and quantity < order.remaining:
            return
        if price is not None and quantity > 0:
            self.deal(order, instrument, quantity, price, now)
        elif (order.stop_price, order.triggered) != before:
            self.set_status(order, "Submitted" if order.triggered else order.status, now)

    def _try_auction(self, order: Order, now: float) -> None:
        quote, instrument = self.quote(order.conid), self.find(order.conid)
        if quote is None or instrument is None:
            return
        price = matching.auction_price(order, instrument, quote, now)
        if price is None:
            return
        quantity = order.remaining if order.fill_cap is None else min(order.remaining, order.fill_cap - order.filled)
        if matching.within(order, price) is None:
            self.cancel(order, now, "The auction's price was beyond the limit.")
        elif quantity > 0:
            self.deal(order, instrument, quantity, price, now)

    def _try_combo(self, order: Order, now: float) -> None:
        quotes = [q for leg in order.legs if (q := self.quote(leg.conid)) is not None]
        if len(quotes) < len(order.legs) or order.fill_cap is not None:
            return
        instruments = self.instruments_of(order)
        filled = combos.fills(order, instruments, quotes, now)
        if filled is not None:
            fills, net = filled
            self.deal_combo(order, list(zip(instruments, fills, strict=True)), net, now)


def waits_at_the_broker(order_type: str, tif: str) -> bool:
    """Whether the broker holds an order back from the exchange: until its trigger, or its auction."""
    return order_type in STOPS | TOUCHES | {"MOC", "LOC"} or tif == "OPG"
