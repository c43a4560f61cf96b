"""What the broker shows for one account and instrument at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.advisors.groups import SeenGroup
from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.contracts.rules import ContractRules, Denial
from brokers.domain.elsewhere.exposure import NOTHING_ADDED, Added
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Modification, OrderStatus, OrderType, Role, Side, StopMove, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginPreview:
    """What the broker said an order of `quantity` would need, asked before it was sent.

    `initial` is what the account's initial margin would change by, in the account's currency; None where the broker gave
    no figure. `refusal`: why it would not take the order, in its words; `short`: for want of money.
    """

    side: Side
    quantity: Decimal
    initial: Decimal | None
    as_of: datetime
    refusal: str = ""
    short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingOrder:
    """An order of the account in this instrument that may still fill.

    `parent` is the reference of the order it was sent with. `mine`: the subscription that decides has asked for it.
    `keeps_its_size`: the broker has refused to make it smaller. `moves`: what is to become of a stop once targets have filled, also
    known to those; None where nothing is, or where that was done. `since`: when it came into this status, None while it is only planned.
    `good_till`: when Halyard cancels it; `placed_at`: when it left, None where it has not.
    """

    reference: str
    role: Role
    side: Side
    type: OrderType
    remaining: Decimal
    status: OrderStatus
    filled: Decimal = Decimal(0)
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    outside_rth: bool = False
    parent: str = ""
    ticket: str = ""
    mine: bool = True
    since: datetime | None = None
    keeps_its_size: bool = False
    moves: StopMove | None = None
    good_till: datetime | None = None
    placed_at: datetime | None = None


def modified(order: WorkingOrder, change: Modification) -> WorkingOrder:
    """The order with what a modification changes of it; a new trail takes the place of either kind."""
    trails = change.trail_amount is not None or change.trail_percent is not None
    return replace(
        order,
        remaining=order.remaining if change.quantity is None else max(change.quantity - order.filled, Decimal(0)),
        limit_price=order.limit_price if change.limit_price is None else change.limit_price,
        stop_price=order.stop_price if change.stop_price is None else change.stop_price,
        trail_amount=change.trail_amount if trails else order.trail_amount,
        trail_percent=change.trail_percent if trails else order.trail_percent,
        time_in_force=order.time_in_force if change.lifetime is None else change.lifetime.time_in_force,
        good_till=order.good_till if change.lifetime is None else change.lifetime.good_till,
    )


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
    settled_cash: Decimal | None = None
    # Day trades that the broker still takes of the account; -1 without a limit, None where it does not say.
    day_trades_left: int | None = None
    mark: Decimal | None = None
    account_type: str = "margin"
    environment: Environment = Environment.SIMULATED
    # What IBKR lets the account do, and whether it may trade this contract; None where IBKR did not say.
    capabilities: Capabilities = NOT_SAID
    permitted: bool | None = None
    # Whether the share can be borrowed, by IBKR's word; None where it was not asked, or does not say.
    borrow: Borrow | None = None
    # What may be ordered of this contract, by IBKR's word; None where it has not said.
    rules: ContractRules | None = None
    # Why nothing may be opened in this contract until a person has said which one the ticker means.
    doubted: Denial | None = None
    # Why nothing is opened in an option that is a leg of a combo, or in a combo that has a leg with another in common;
    # `position` is then what is held beside those.
    in_combos: Denial | None = None
    # When this contract trades, by IBKR's word; None where it has not said.
    hours: TradingHours | None = None
    # The profit not taken yet, and what one unit of another currency is in `currency`.
    unrealized_pnl: Decimal | None = None
    rates: dict[str, Decimal] = field(default_factory=dict)
    # The last preview of an order in this contract, for each side that the broker was asked about.
    previews: tuple[MarginPreview, ...] = ()
    # What the subscription did today: entries, the moment of the last one, and the account's profit since the day began.
    trades_today: int | None = None
    last_trade_at: datetime | None = None
    day_profit: Decimal | None = None
    # What is missing to tell the profit: a sentence.
    day_unknown: str = ""
    # The signal's own time behind the position's last entry.
    opened_at: datetime | None = None
    # Other months that are held of the future a continuous name stands for.
    other_months: tuple[str, ...] = ()
    # What orders placed elsewhere may still add to the position.
    elsewhere: Added = NOTHING_ADDED
    # Orders placed elsewhere whose money is not counted in what is available: "buy 2 ES".
    uncounted: tuple[str, ...] = ()
    # When the money was true, and by which way it came: `stream` or `read`. None: with the position.
    money_as_of: datetime | None = None
    money_from: str = ""
    # When IBKR was back from the restart that the signal came into; None for one that came at another time.
    back_at: datetime | None = None
    # The advisor's group that is decided for; then position, money and working orders are those of its accounts together.
    group: SeenGroup | None = None
    # References of the orders that belong to the entry which the signal names; None: it names none.
    of_entry: tuple[str, ...] | None = None
    # Of a combo, what is held of its two legs, the long one first; None of a single contract.
    legs: tuple[Decimal, Decimal] | None = None
