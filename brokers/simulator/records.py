"""What the gateway remembers: accounts, orders, executions. Moments are epoch seconds; money is Decimal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
TERMINAL = frozenset({"Filled", "Cancelled", "Inactive"})


@dataclass(slots=True, kw_only=True)
class Ticket:
    """One order as a client asked for it, already understood."""

    account_id: str
    conid: int
    side: str
    order_type: str
    quantity: Decimal
    tif: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_type: str = ""
    trailing_amount: Decimal | None = None
    reference: str = ""
    parent_reference: str = ""
    outside_rth: bool = False
    single_group: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """An order on our books."""

    order_id: int
    account_id: str
    username: str
    conid: int
    side: str
    order_type: str
    quantity: Decimal
    tif: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    trailing_type: str
    trailing_amount: Decimal | None
    reference: str
    parent_id: int | None
    oca_group: str
    outside_rth: bool
    status: str
    created_at: float
    updated_at: float
    held: bool = False
    triggered: bool = False
    filled: Decimal = ZERO
    average_price: Decimal = ZERO
    reason: str = ""
    # Faults and delays, never stored: after a restart the order simply goes on.
    not_before: float = 0.0
    fill_cap: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def working(self) -> bool:
        return self.status not in TERMINAL

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill; never changed."""

    number: int
    order_id: int
    account_id: str
    username: str
    conid: int
    side: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    net_amount: Decimal
    exchange: str
    reference: str
    executed_at: float

    @property
    def execution_id(self) -> str:
        return f"{self.number >> 32:08x}.{self.number & 0xFFFFFFFF:08x}.01.01"


@dataclass(slots=True, kw_only=True)
class Position:
    """A signed holding and what it cost per unit."""

    account_id: str
    conid: int
    quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    realized: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class Account:
    """One account with its cash and positions."""

    account_id: str
    username: str
    opened_at: float
    base: str = "USD"
    cash: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CashChanged:
    """The balance of one currency after a change."""

    account_id: str
    currency: str
    balance: Decimal


Change = Account | Order | Execution | Position | CashChanged
