"""What the broker shows for one account and instrument at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.orders import Contract, OrderStatus, OrderType, Role, Side
from brokers.domain.sessions import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Prices in the instrument's currency; None where the broker shows none."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    as_of: datetime
    source: str = "broker"

    @property
    def mid(self) -> Decimal | None:
        """Halfway between bid and ask, else the last price."""
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingOrder:
    """An order of the account in this instrument that may still fill."""

    reference: str
    role: Role
    side: Side
    type: OrderType
    remaining: Decimal
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Account, position, working orders, equity and quote as of a moment.

    `position` is the broker's signed holding (long above zero); equity, buying power, funds and cash are in `currency`,
    None where the broker has not shown them yet.
    """

    account_id: str
    contract: Contract
    position: Decimal
    average_cost: Decimal | None
    working: tuple[WorkingOrder, ...]
    equity: Decimal | None
    buying_power: Decimal | None
    currency: str
    quote: Quote | None
    as_of: datetime
    # What an order's margin is paid from (buying power is a multiple of it), and the market price of the holding.
    available_funds: Decimal | None = None
    cash: Decimal | None = None
    mark: Decimal | None = None
    account_type: str = "margin"
    environment: Environment = Environment.SIMULATED
    # What IBKR lets the account do, and whether it may trade this contract; None where IBKR did not say.
    capabilities: Capabilities = NOT_SAID
    permitted: bool | None = None
