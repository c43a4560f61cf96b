"""One connection of a world: its user at the simulated IBKR with their orders, stocks and prices, and our rows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from brokers.models import BrokerageAccount, Connection, Order
from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange import records
from brokers.simulator.faults.faults import Fault
from brokers.simulator.gateway.users import User
from brokers.simulator.market.quotes import Quote
from brokers.tests.soak.guard import Guard

if TYPE_CHECKING:
    from brokers.tests.soak.world import World

PRICE = Decimal(100)
NEAR = Decimal(1)
_HALF_A_SPREAD = Decimal("0.01")
# What is hidden for longer is lost.
FOR_GOOD = 86_400.0


@dataclass
class Tenant:
    """One connection with its account, its stocks and its user at the simulated IBKR."""

    world: World
    connection: Connection
    account: BrokerageAccount
    stocks: tuple[int, ...]
    prices: dict[int, Decimal] = field(default_factory=dict)
    # Our rows as they were read last, by reference; and what did not hold since the beginning.
    rows: dict[str, Order] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    # The stocks of which somebody was told, as of that look, that a stop is missing.
    told: set[int] = field(default_factory=set)
    # The faults that were armed by which IBKR takes a change as another order.
    doubling: list[Fault] = field(default_factory=list)
    # All faults that were armed, each with its name.
    armed: list[tuple[str, Fault]] = field(default_factory=list)
    # How many of the orders that were asked for went to their lane in memory.
    handed: int = 0
    # What looks after positions that are to have a stop.
    guard: Guard = field(default_factory=Guard)

    @property
    def key(self) -> int:
        return self.connection.pk

    @property
    def user(self) -> User:
        return self.world.gateway.user(self.connection.username)

    def at_ibkr(self) -> list[records.Order]:
        """All orders of the user that IBKR's own books have, whether its lists show them or not."""
        name = self.user.name
        return [each for each in self.world.gateway.engine.orders.values() if each.username == name]

    def is_hidden(self, order: records.Order) -> bool:
        """Whether a fault keeps an order out of IBKR's lists for the moment."""
        left = self.user.hidden.get(order.order_id, 0.0) - self.world.gateway.clock()
        return 0.0 < left < FOR_GOOD

    def is_shown(self, order: records.Order) -> bool:
        """Whether IBKR's lists show an order now."""
        return self.user.hidden.get(order.order_id, 0.0) <= self.world.gateway.clock()

    def held(self, stock: int) -> Decimal:
        """What IBKR's own books hold of a stock, negative where it was sold short."""
        accounts = self.world.gateway.accounts_of(self.user)
        return sum((each.positions[stock].quantity for each in accounts if stock in each.positions), Decimal(0))

    def symbol(self, stock: int) -> str:
        instrument = catalogue.find(self.stocks[stock])
        assert instrument is not None
        return instrument.symbol

    def set_price(self, stock: int, price: Decimal) -> None:
        conid, now = self.stocks[stock], self.world.gateway.clock()
        self.prices[stock] = price
        quote = Quote(
            conid=conid,
            bid=price - _HALF_A_SPREAD,
            ask=price + _HALF_A_SPREAD,
            last=price,
            bid_size=900,
            ask_size=900,
            at=now,
        )
        self.world.gateway.market.post(quote, now + 1e6)

    def begin_night(self, seconds: float) -> None:
        """IBKR restarts its servers, and afterwards its lists begin anew and it knows no reference any more."""
        night = {"daily_reset": {"duration_s": seconds, "forget_references": True}}
        self.arm({"match": {}, "action": night, "times": 1})
        self.world.gateway.begin_nights()

    def arm(self, fault: dict[str, Any], name: str = "") -> None:
        match = {**fault["match"], "user": self.user.name}
        armed = self.world.gateway.faults.arm({**fault, "match": match}, self.world.gateway.clock())
        self.armed.append((name, armed))
        if "second_order" in fault["action"]:
            self.doubling.append(armed)

    @property
    def seconds(self) -> int:
        """How many changes IBKR has taken as another order, at most."""
        return sum(fault.hits for fault in self.doubling)
