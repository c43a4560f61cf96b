"""What the gateway remembers: accounts, orders, executions. Moments are epoch seconds; money is Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

ZERO = Decimal(0)
TERMINAL = frozenset({"Filled", "Cancelled", "Inactive"})
# Accounts are of three kinds; the third is a margin account that pays no commission for US shares.
KINDS = ("margin", "cash", "lite")
Kind = Literal["margin", "cash", "lite"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of a combo; a negative ratio is sold when the combo is bought."""

    conid: int
    ratio: int


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
    good_till: float | None = None
    legs: tuple[Leg, ...] = ()
    fa_group: str = ""
    fa_method: str = ""


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
    good_till: float | None = None
    expires_at: float | None = None
    legs: tuple[Leg, ...] = ()
    # An advisor's order: whose it is, who gets how much of it, and how much of that each has by now.
    fa_group: str = ""
    fa_method: str = ""
    shares: dict[str, Decimal] = field(default_factory=dict)
    dealt: dict[str, Decimal] = field(default_factory=dict)
    # Faults, delays and the last look at the margin, never stored: after a restart the order simply goes on.
    not_before: float = 0.0
    fill_cap: Decimal | None = None
    checked_at: float = 0.0
    # Why the broker holds it back, until `not_before`: it shows as inactive, and works all the same.
    held_back: str = ""

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def working(self) -> bool:
        return self.status not in TERMINAL

    @property
    def shown_status(self) -> str:
        """Its status on the wire."""
        return "Inactive" if self.held_back and self.working else self.status

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def auction(self) -> str:
        """The auction the order waits for: "open", "close", or none."""
        if self.tif == "OPG":
            return "open"
        return "close" if self.order_type in {"MOC", "LOC"} else ""


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
    # What the commission was paid in.
    currency: str = "USD"

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "BUY" else -self.quantity

    @property
    def execution_id(self) -> str:
        return f"{self.number >> 32:08x}.{self.number & 0xFFFFFFFF:08x}.01.01"


@dataclass(slots=True, kw_only=True)
class Position:
    """A signed holding and what it cost per unit; of a future also what daily settlement has paid already."""

    account_id: str
    conid: int
    quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    realized: Decimal = ZERO
    settled_quantity: Decimal = ZERO
    settled_profit: Decimal = ZERO
    settled_on: date | None = None


@dataclass(slots=True, kw_only=True)
class Proceeds:
    """Money of a sale that is not settled yet; numbered after the fill it came from."""

    number: int
    account_id: str
    currency: str
    amount: Decimal
    settles_at: float
    settled: bool = False


@dataclass(slots=True, kw_only=True)
class Account:
    """One account with its settled cash, what is still on its way, and its positions."""

    account_id: str
    username: str
    opened_at: float
    base: str = "USD"
    kind: Kind = "margin"
    # An advisor's own account has sub-accounts, and each of those names it.
    advisor: bool = False
    master_id: str = ""
    # The day in progress: what the account was worth when it began, and what was realized since, in base currency.
    day: date | None = None
    day_equity: Decimal = ZERO
    day_realized: Decimal = ZERO
    cash: dict[str, Decimal] = field(default_factory=dict)
    proceeds: dict[int, Proceeds] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)

    @property
    def rule_kind(self) -> str:
        """The account type as the rulebook knows it."""
        return "cash" if self.kind == "cash" else "margin"

    def unsettled(self, currency: str) -> Decimal:
        return sum((p.amount for p in self.proceeds.values() if p.currency == currency), ZERO)


@dataclass(frozen=True, slots=True)
class CashChanged:
    """The settled balance of one currency after a change."""

    account_id: str
    currency: str
    balance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Accounts an advisor trades together; amounts only where the method takes them."""

    name: str
    method: str
    members: tuple[tuple[str, Decimal | None], ...]


@dataclass(slots=True, kw_only=True)
class Advisor:
    """What an advisor set up: groups by name, and how new ones behave."""

    username: str
    groups: dict[str, Group] = field(default_factory=dict)
    presets: Mapping[str, bool | str] = field(default_factory=dict)


Change = Account | Order | Execution | Position | Proceeds | CashChanged | Advisor
