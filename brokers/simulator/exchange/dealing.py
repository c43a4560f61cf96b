"""One fill: whether the account can carry it, what it costs, whom it belongs to, and what it does to the books."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.fills.combos import LegFill
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import accounting, margin, settling
from brokers.simulator.exchange.accounting import Find, Rate, World
from brokers.simulator.exchange.advisors import parts_of
from brokers.simulator.exchange.margin import Trade
from brokers.simulator.exchange.records import ZERO, Account, Execution, Order
from brokers.simulator.exchange.register import Register
from brokers.simulator.exchange.rules import commission

# A margin computed a moment ago is not computed again.
_FRESH_S = 1.0
_PRICE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that fills in one account; the quantity is signed. Without a fee the order's own is charged."""

    account: Account
    instrument: Instrument
    quantity: Decimal
    price: Decimal
    fee: Fee | None = None


class Dealing(Register):
    """Fills and their consequences."""

    find: Find
    rate: Rate
    checks_margin: Callable[[], bool]
    last_execution: int

    @abstractmethod
    def set_status(self, order: Order, status: str, now: float, reason: str = "") -> None: ...

    @abstractmethod
    def world(self, now: float) -> World: ...

    @abstractmethod
    def mark(self, conid: int) -> Decimal: ...

    # -- margin --------------------------------------------------------------------------------------------------

    def refusal(self, order: Order, now: float) -> str:
        """Why the account cannot carry the rest of an order; nothing when it can."""
        order.checked_at = now
        account = self.accounts[order.account_id]
        self.changes.extend(settling.release(account, now))
        waiting = [o for o in self.working_of(account.account_id) if o is not order] if account.kind == "cash" else []
        world = self.world(now)
        for trade in self.trades_of(order, order.remaining):
            if self._lacks_shares(account, trade):
                return margin.NOT_SHORTABLE
            if reason := margin.refusal(account, trade, world, waiting):
                return reason
        return ""

    def _lacks_shares(self, account: Account, trade: Trade) -> bool:
        """Whether a sale goes further short than shares can be borrowed."""
        can = self.shortable.get(trade.instrument.conid)
        if can is None or trade.quantity > 0:
            return False
        position = account.positions.get(trade.instrument.conid)
        held = ZERO if position is None else position.quantity
        return max(-(held + trade.quantity), ZERO) - max(-held, ZERO) > can

    def trades_of(self, order: Order, quantity: Decimal) -> list[Trade]:
        """The trades of an order, a leg each, at the prices of now; the quantities are signed."""
        trades = []
        for conid, units in [(leg.conid, quantity * leg.ratio) for leg in order.legs] or [(order.conid, quantity)]:
            if (instrument := self.find(conid)) is not None:
                limit = None if order.legs else order.limit_price
                price = limit or self.mark(conid)
                trades.append(Trade(instrument=instrument, quantity=order.sign * units, price=price, limit_price=limit))
        return trades

    def _refusal_of_fill(self, order: Order, fill: Fill, now: float) -> str:
        """Why the account cannot carry a fill after all; in a cash account the price of the fill itself counts."""
        if not self.checks_margin():
            return ""
        if fill.account.kind != "cash" and now - order.checked_at < _FRESH_S:
            return ""
        order.checked_at = now
        self.changes.extend(settling.release(fill.account, now))
        trade = Trade(instrument=fill.instrument, quantity=fill.quantity, price=fill.price)
        return margin.refusal(fill.account, trade, self.world(now))

    # -- single contracts ----------------------------------------------------------------------------------------

    def deal(self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, now: float) -> None:
        """Fill so much of an order, for its account or for the accounts of its group."""
        if order.fa_group:
            quantity = self._deal_group(order, instrument, quantity, price, now)
        else:
            fill = Fill(self.accounts[order.account_id], instrument, order.sign * quantity, price)
            if reason := self._refusal_of_fill(order, fill, now):
                self._stop(order, now, reason)
                return
            self._book(order, fill, now)
        if quantity:
            self._count(order, quantity, price, now)

    def _deal_group(
        self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, now: float
    ) -> Decimal:
        """Each account's part of a fill; an account that cannot carry its part any more loses the rest of its share."""
        done = ZERO
        checked = order.checked_at
        for account_id, part in parts_of(quantity, order.shares, order.dealt).items():
            fill = Fill(self.accounts[account_id], instrument, order.sign * part, price)
            order.checked_at = checked
            if reason := self._refusal_of_fill(order, fill, now):
                self._take_back(order, account_id, now, reason)
                continue
            self._book(order, fill, now)
            order.dealt[account_id] = order.dealt.get(account_id, ZERO) + part
            done += part
        return done

    def _take_back(self, order: Order, account_id: str, now: float, reason: str) -> None:
        kept = order.dealt.get(account_id, ZERO)
        lost = order.shares[account_id] - kept
        order.shares[account_id] = kept
        if order.quantity > lost:
            order.quantity -= lost
            done = order.remaining == 0
            self.set_status(order, "Filled" if done else order.status, now, f"{lost:f} canceled for {account_id}.")
        else:
            self._stop(order, now, reason)

    def _stop(self, order: Order, now: float, reason: str) -> None:
        """An order that can no longer be carried: held back whole, or its rest canceled."""
        self.set_status(order, "Cancelled" if order.filled else "Inactive", now, reason)

    def _count(self, order: Order, quantity: Decimal, price: Decimal, now: float) -> None:
        spent = order.average_price * order.filled + price * quantity
        order.filled += quantity
        order.average_price = (spent / order.filled).quantize(_PRICE)
        self.set_status(order, "Filled" if order.remaining == 0 else "Submitted", now)
        self._shrink_group(order, quantity, now)

    # -- combos --------------------------------------------------------------------------------------------------

    def deal_combo(self, order: Order, legs: Sequence[tuple[Instrument, LegFill]], net: Decimal, now: float) -> None:
        """Fill every leg of a combo, whole."""
        account, quantity = self.accounts[order.account_id], order.remaining
        fills = [Fill(account, instrument, leg.quantity, leg.price) for instrument, leg in legs]
        for fill in fills:
            if reason := self._refusal_of_fill(order, fill, now):
                self._stop(order, now, reason)
                return
        for fill in fills:
            self._book(order, fill, now)
        self._count(order, quantity, net, now)

    # -- the books -----------------------------------------------------------------------------------------------

    def _book(self, order: Order, fill: Fill, now: float) -> None:
        """Enter one execution of one account."""
        self.last_execution = max(self.last_execution + 1, int(now * 1_000_000))
        account, instrument, quantity = fill.account, fill.instrument, abs(fill.quantity)
        fee = fill.fee or self._fee(order, fill)
        execution = Execution(
            number=self.last_execution,
            order_id=order.order_id,
            account_id=account.account_id,
            username=order.username,
            conid=instrument.conid,
            side="BUY" if fill.quantity > 0 else "SELL",
            quantity=quantity,
            price=fill.price,
            commission=fee.amount,
            currency=fee.currency,
            net_amount=quantity * fill.price * instrument.multiplier,
            exchange=instrument.exchange,
            reference=order.reference,
            executed_at=now,
        )
        self.executions[account.account_id].append(execution)
        self.changes.append(execution)
        self.changes.extend(accounting.apply(account, execution, instrument, self.rate))

    def _fee(self, order: Order, fill: Fill) -> Fee:
        """The order's fee so far less what earlier fills paid: the minimum is charged once an order and account."""
        account, instrument = fill.account, fill.instrument
        rate = self.rate(instrument.currency, "USD")
        before = order.dealt.get(account.account_id, ZERO) if order.fa_group else order.filled
        fee = commission(instrument, before + abs(fill.quantity), fill.price, rate, kind=account.kind)
        paid = ZERO
        if before and not order.legs:
            paid = commission(instrument, before, order.average_price, rate, kind=account.kind).amount
        amount = max(fee.amount - paid, ZERO)
        if instrument.sec_type != "CASH" or fee.currency == account.base:
            return Fee(amount, fee.currency)
        # Currency trades are charged in the account's own currency.
        return Fee((amount * self.rate(fee.currency, account.base)).quantize(Decimal("0.01")), account.base)

    # -- groups --------------------------------------------------------------------------------------------------

    def _shrink_group(self, order: Order, quantity: Decimal, now: float) -> None:
        """One cancels the other: what one order fills, the rest of its group no longer may."""
        if not order.oca_group:
            return
        for other in list(self.groups[order.oca_group]):
            if other is order or not other.working:
                continue
            if order.status == "Filled" or other.remaining <= quantity:
                self.set_status(other, "Cancelled", now, "Another order of its group was filled.")
            else:
                shrink(other, quantity)
                self.set_status(other, other.status, now)


def shrink(order: Order, by: Decimal) -> None:
    """Ask for less; in a group every account gives up its part."""
    order.quantity -= by
    for account_id, part in parts_of(by, order.shares, order.dealt).items():
        order.shares[account_id] -= part
