"""Positions that are to have a stop: by IBKR's own books, how long they had none, and whether anybody was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers.domain.orders import IN_DOUBT
from brokers.models import Closing, Lapse, Order
from brokers.simulator.exchange import records

if TYPE_CHECKING:
    from brokers.tests.soak.tenant import Tenant

# So long a position may be without the stop that it is to have, in seconds during which nothing keeps us from IBKR: two
# lists of orders, five seconds apart, and what then leaves.
LONGEST = 30.0
# After a session, a stream or a process began anew, what happened meanwhile is read within this.
SETTLING = 20.0
_NONE = Decimal(0)


@dataclass
class Guard:
    """`due`: by stock, how much of what is held came from entries with a stop, negative where that was sold short.

    `filled`: by order, how much of it was counted. `bare_since`: by stock, since when a stop is lacking.
    """

    due: dict[int, Decimal] = field(default_factory=dict)
    filled: dict[int, Decimal] = field(default_factory=dict)
    bare_since: dict[int, float] = field(default_factory=dict)
    hindered_at: float = -SETTLING

    def look(self, tenant: Tenant) -> Iterator[str]:
        """Each position that has lacked its stop for too long, as a sentence."""
        now = tenant.world.gateway.clock()
        orders = tenant.at_ibkr()
        self._count(tenant, orders)
        if _is_hindered(tenant, now):
            self.hindered_at = now
        for stock in tenant.stocks:
            lacks = abs(self.due.get(stock, _NONE)) - _covered(tenant, orders, stock)
            if lacks <= 0 or self._waits(tenant, stock) or now - self.hindered_at < SETTLING:
                self.bare_since.pop(stock, None)
            elif now - self.bare_since.setdefault(stock, now) > LONGEST and stock not in tenant.told:
                yield f"P: {lacks:f} of {stock} had no stop for {LONGEST:.0f} s, and nobody was told."

    def _count(self, tenant: Tenant, orders: list[records.Order]) -> None:
        parents = {each.parent_id for each in orders if each.parent_id is not None and each.order_type == "STP"}
        for each in orders:
            new = each.filled - self.filled.get(each.order_id, _NONE)
            self.filled[each.order_id] = each.filled
            if each.order_id in parents and new and tenant.held(each.conid) * each.sign > 0:
                self.due[each.conid] = self.due.get(each.conid, _NONE) + new * each.sign
        for stock, due in self.due.items():
            held = tenant.held(stock)
            self.due[stock] = min(due, max(held, _NONE)) if due > 0 else max(due, min(held, _NONE))

    @staticmethod
    def _waits(tenant: Tenant, stock: int) -> bool:
        """Whether nobody can tell yet if IBKR has a stop, or something is on its way.

        An entry of which nobody can tell is no excuse: what is held shows that it has filled.
        """
        mine = [order for order in tenant.rows.values() if order.conid == stock]
        return any(each.status == "submitted" or (each.status in _IN_DOUBT and each.role != "entry") for each in mine)

    def at_the_end(self, tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
        """Whatever still lacks its stop has somebody told; and no stop of ours would open a position."""
        orders = tenant.at_ibkr()
        for stock in tenant.stocks:
            if _is_told(tenant, stock) or Closing.objects.filter(account=tenant.account.pk, conid=stock, status="open"):
                continue
            if (lacks := abs(self.due.get(stock, _NONE)) - _covered(tenant, orders, stock)) > 0:
                yield f"P: {lacks:f} of {stock} have no stop, and nobody is told."
            held, ours = tenant.held(stock), {ref for ref, each in rows.items() if each.role == "stop_loss"}
            stops = [each for each in orders if each.conid == stock and _is_awake(each) and each.reference in ours]
            closes = sum((each.remaining for each in stops if each.sign * held < 0), _NONE)
            opens = sum((each.remaining for each in stops if each.sign * held >= 0), _NONE)
            if opens or closes > abs(held):
                yield f"P: stops of {closes + opens:f} work for {held:f} of {stock}."


_IN_DOUBT = {str(status) for status in IN_DOUBT}


def _is_hindered(tenant: Tenant, now: float) -> bool:
    """Whether anything keeps us from IBKR, or IBKR's word from us."""
    user = tenant.user
    is_open = user.session.stage(now) == "established" and bool(user.sockets)
    faults = tenant.world.gateway.faults
    armed = any(each.user == user.name and each.state(now) == "armed" for each in faults.armed)
    lasting = any(each.user == user.name and each.ends > now for each in faults.conditions)
    return not is_open or armed or lasting


def _covered(tenant: Tenant, orders: list[records.Order], stock: int) -> Decimal:
    held = tenant.held(stock)
    return sum(
        (
            each.remaining
            for each in orders
            if each.conid == stock and each.working and each.order_type == "STP" and each.sign * held < 0
        ),
        _NONE,
    )


def _is_awake(order: records.Order) -> bool:
    return order.working and order.order_type == "STP" and not order.held


def _is_told(tenant: Tenant, stock: int) -> bool:
    return Lapse.objects.filter(account=tenant.account.pk, conid=stock, ended_at=None, alarm=True).exists()
