"""One fill: whether the account can carry it, what it costs, whom it belongs to, and what it does to the books."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.fills.combos import LegFill
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import accounting, margin, settling
from brokers.simulator.exchange.accounting import Find, Rate, World
from brokers.simulator.exchange.advisors import parts_of
from brokers.simulator.exchange.margin import Asked
from brokers.simulator.exchange.records import ZERO, Account, Execution, Order
from brokers.simulator.exchange.register import Register
from brokers.simulator.exchange.rules import commission

# A margin that was found a moment ago is not asked for again.
_FRESH_S = 1.0
_PRICE = Decimal("0.00000001")


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
        others = [o for o in self.working_of(account.account_id) if o is not order] if account.kind == "cash" else []
        world = self.world(now)
        for asked in self.asked(order, order.remaining):
            if found := margin.refusal(account, asked, world, others):
                return found
        return ""

    def asked(self, order: Order, quantity: Decimal) -> list[Asked]:
        """What an order asks for, leg by leg, at the prices of now."""
        found = []
        for conid, units in [(leg.conid, quantity * leg.ratio) for leg in order.legs] or [(order.conid, quantity)]:
            if (instrument := self.find(conid)) is not None:
                limit = None if order.legs else order.limit_price
                price = limit or self.mark(conid)
                found.append(Asked(instrument=instrument, quantity=order.sign * units, price=price, limit_price=limit))
        return found

    def _still_carries(
        self, account: Account, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, now: float
    ) -> str:
        """Asked again before a fill; with settled cash only, the price of the fill itself counts."""
        if not self.checks_margin():
            return ""
        if account.kind != "cash" and now - order.checked_at < _FRESH_S:
            return ""
        order.checked_at = now
        self.changes.extend(settling.release(account, now))
        asked = Asked(instrument=instrument, quantity=quantity, price=price)
        return margin.refusal(account, asked, self.world(now))

    # -- single contracts ----------------------------------------------------------------------------------------

    def deal(self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, now: float) -> None:
        """Fill so much of an order, for its account or for the accounts of its group."""
        if order.fa_group:
            quantity = self._deal_group(order, instrument, quantity, price, now)
        else:
            account = self.accounts[order.account_id]
            if reason := self._still_carries(account, order, instrument, order.sign * quantity, price, now):
                self._stop(order, now, reason)
                return
            self._book(order, account, instrument, order.sign * quantity, price, now)
        if quantity:
            self._count(order, quantity, price, now)

    def _deal_group(
        self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, now: float
    ) -> Decimal:
        """Each account's part of a fill; an account that cannot carry its part any more loses the rest of its share."""
        done = ZERO
        checked = order.checked_at
        for account_id, part in parts_of(quantity, order.shares, order.dealt).items():
            account = self.accounts[account_id]
            order.checked_at = checked
            if reason := self._still_carries(account, order, instrument, order.sign * part, price, now):
                self._take_back(order, account_id, now, reason)
                continue
            self._book(order, account, instrument, order.sign * part, price, now)
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
        for instrument, leg in legs:
            if reason := self._still_carries(account, order, instrument, leg.quantity, leg.price, now):
                self._stop(order, now, reason)
                return
        for instrument, leg in legs:
            self._book(order, account, instrument, leg.quantity, leg.price, now)
        self._count(order, quantity, net, now)

    # -- the books -----------------------------------------------------------------------------------------------

    def _book(
        self,
        order: Order,
        account: Account,
        instrument: Instrument,
        quantity: Decimal,
        price: Decimal,
        now: float,
        fee: Fee | None = None,
    ) -> None:
        """One execution of one account; the quantity is signed."""
        self.last_execution = max(self.last_execution + 1, int(now * 1_000_000))
        fee = fee or self._fee(order, account, instrument, abs(quantity), price)
        execution = Execution(
            number=self.last_execution,
            order_id=order.order_id,
            account_id=account.account_id,
            username=order.username,
            conid=instrument.conid,
            side="BUY" if quantity > 0 else "SELL",
            quantity=abs(quantity),
            price=price,
            commission=fee.amount,
            currency=fee.currency,
            net_amount=abs(quantity) * price * instrument.multiplier,
            exchange=instrument.exchange,
            reference=order.reference,
            executed_at=now,
        )
        self.executions[account.account_id].append(execution)
        self.changes.append(execution)
        self.changes.extend(accounting.apply(account, execution, instrument, self.rate))

    def _fee(self, order: Order, account: Account, instrument: Instrument, quantity: Decimal, price: Decimal) -> Fee:
        """The order's fee so far less what earlier fills paid: the minimum is charged once an order and account."""
        rate = self.rate(instrument.currency, "USD")
        before = order.dealt.get(account.account_id, ZERO) if order.fa_group else order.filled
        fee = commission(instrument, before + quantity, price, rate, kind=account.kind)
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
        """One cancels the other: what one order fills, the others no longer may."""
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
