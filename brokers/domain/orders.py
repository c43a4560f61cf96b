"""Orders in the words of the trade: what may be asked for, and the life an order can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    MARKET_IF_TOUCHED = "market_if_touched"
    LIMIT_IF_TOUCHED = "limit_if_touched"
    MIDPRICE = "midprice"
    TRAILING_STOP_LIMIT = "trailing_stop_limit"


# Their stop follows the market at a distance.
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT}) | TRAILING
# They wait for a better price: a buy for a fall to its touch, a sell for a rise.
TOUCHED = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
# They fill no worse than at their limit.
LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED, OrderType.TRAILING_STOP_LIMIT})
# A limit is theirs to have or not to have: midway between bid and ask, at this price at worst.
MAY_BE_CAPPED = frozenset({OrderType.MIDPRICE})
# They sleep until the market trades at a price of theirs, which `stop_price` holds: a stop or a touch.
WOKEN = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT}) | TOUCHED


class TimeInForce(StrEnum):
    """How long an order works; `opg` and `cls` are the auctions at the open and at the close.

    `gtd` until a moment at which Halyard cancels it: IBKR's Web API carries no such moment, and has the order as `gtc`.
    """

    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"


# Signals may name an auction by the type of the order.
FOR_AUCTIONS: dict[str, tuple[OrderType, TimeInForce]] = {
    "market_on_open": (OrderType.MARKET, TimeInForce.OPG),
    "limit_on_open": (OrderType.LIMIT, TimeInForce.OPG),
    "market_on_close": (OrderType.MARKET, TimeInForce.CLS),
    "limit_on_close": (OrderType.LIMIT, TimeInForce.CLS),
}


class AssetClass(StrEnum):
    STOCK = "stock"
    FUTURE = "future"
    FOREX = "forex"
    OPTION = "option"
    FUTURE_OPTION = "future_option"
    CFD = "cfd"


# They are named by what they are on, a day, a right and a strike, and may be picked out of a chain.
OPTIONS = frozenset({AssetClass.OPTION, AssetClass.FUTURE_OPTION})
# They trade nearly round the clock at an exchange of futures, and are sized in contracts of its making.
OF_FUTURES = frozenset({AssetClass.FUTURE, AssetClass.FUTURE_OPTION})


class Role(StrEnum):
    """What an order is for within its plan."""

    ENTRY = "entry"
    EXIT = "exit"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Rounds:
    """The places (account and contract) of a connection whose orders left last, the longest ago first.

    A lane serves another place before the same again, so that what waits in one contract holds up no other. It is a
    matter of fairness alone: a process that begins anew knows none, and the order within a place does not depend on it.
    """

    MOST = 50

    def __init__(self) -> None:
        self._left: dict[str, None] = {}

    def left(self) -> list[str]:
        """The places as `TAKE_NEXT` names them."""
        return list(self._left)

    def leave(self, account_pk: int, conid: int) -> None:
        """Note an order that leaves."""
        place = f"{account_pk}:{conid}"
        self._left.pop(place, None)
        self._left[place] = None
        if len(self._left) > self.MOST:
            del self._left[next(iter(self._left))]


class Release(StrEnum):
    """When an order may leave.

    `with_parent`: in its parent's submission, to wake when the parent fills. `in_group`: in its parent's submission
    and awake from the start; whichever of the two fills first cancels the other. `by_account`: no order itself; once its
    parent for an advisor's group has filled, one in each account for what that account got.
    """

    AT_ONCE = "at_once"
    WITH_PARENT = "with_parent"
    IN_GROUP = "in_group"
    AFTER_PARENT_FILLS = "after_parent_fills"
    BY_ACCOUNT = "by_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is traded. `ticker` is ours ("BRK.B", "MNQZ2026", "EURUSD", "SPY 261218C640"); the broker's own id is looked up by the adapter."""

    ticker: str
    asset_class: AssetClass = AssetClass.STOCK

    def __str__(self) -> str:
        return self.ticker


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The broker's identity of an instrument. `ticker` names exactly this contract: MNQZ2026 of the instrument MNQ.

    `increments` are its ticks by the price they count from, lowest first; empty where `tick` counts at every price.
    """

    instrument: Instrument
    conid: int
    name: str = ""
    exchange: str = ""
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)
    tick: Decimal = Decimal("0.01")
    ticker: str = ""
    increments: tuple[tuple[Decimal, Decimal], ...] = ()

    def tick_at(self, price: Decimal) -> Decimal:
        """The tick that counts at a price."""
        return next((tick for edge, tick in reversed(self.increments) if abs(price) >= edge), self.tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """How an advisor's order is divided among the accounts of a group."""

    group: str
    method: str


_FINEST, _LARGEST = Decimal("0.00000001"), Decimal(10) ** 15


class DistanceIn(StrEnum):
    """What a distance counts: hundredths of a price, money of the contract per unit, or money for all units together."""

    PERCENT = "percent"
    AMOUNT = "amount"
    PNL = "pnl_amount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far from the price of its entry a stop or a target stands: above zero."""

    value: Decimal
    counts: DistanceIn

    def kept(self) -> Distance | None:
        """As a column holds it: with eight decimals; None where nothing of it is left then, or it is too large for one."""
        if self.value >= _LARGEST:
            return None
        value = self.value.quantize(_FINEST)
        return replace(self, value=value) if value > 0 else None


class MoveTo(StrEnum):
    """Where a stop goes once targets have filled: to the average price of the entry, or behind the market, which it follows."""

    BREAK_EVEN = "break_even"
    TRAIL_AMOUNT = "trail_amount"
    TRAIL_PERCENT = "trail_percent"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMove:
    """What becomes of a stop once the `after`th of its entry's targets has filled. `by`: how far beyond break-even, on the
    profitable side, zero included; or the distance that it trails, above zero."""

    after: int
    to: MoveTo
    by: Decimal
    # Of a leg that is placed instead of another: the reference of the first of them, whose targets count.
    instead_of: str = ""

    def carried_from(self, reference: str) -> StopMove:
        """The rule as the leg has it that is placed instead of the one with this reference."""
        return replace(self, instead_of=self.instead_of or reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order we want, before it has an identity. Quantities are shares or contracts, above zero.

    `from_fill`: of a leg whose price is counted again from the price at which its entry fills.
    `stop_price` is the price that wakes it: the stop of a stop, the touch of a touched order.
    `estimated_fee` is in the account's currency; None where it cannot be told. `trail_percent` 1.5 is one and a half per
    cent. `reference` is set when it is planned, "" until then. `leave_within` bounds the seconds until it has to leave,
    `cancel_after` those it may then work, `convert_after` those until it becomes a market order. `good_till`: when Halyard
    cancels an order of the time in force `gtd`, None for any other.
    """

    role: Role
    instrument: Instrument
    side: Side
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    outside_rth: bool = False
    leave_within: int | None = None
    cancel_after: int | None = None
    convert_after: int | None = None
    good_till: datetime | None = None
    allocation: Allocation | None = None
    # The client of an advisor's group whose order it is; "" for the account that the plan is for.
    account_id: str = ""
    release: Release = Release.AT_ONCE
    from_fill: Distance | None = None
    # Of a stop whose entry has several targets.
    moves: StopMove | None = None
    # Of one of several targets of an advisor's group: which part it takes of what each account got; and of an account's own
    # target, which of them it is, the nearest being 1.
    share: Decimal | None = None
    rung: int | None = None
    estimated_fee: Decimal | None = None
    reference: str = ""
    then: tuple[OrderIntent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """A working order that is to be smaller: `quantity` is its new total, what has filled included."""

    reference: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Until when an order works: a moment at which Halyard cancels it; None: until somebody does."""

    good_till: datetime | None

    @property
    def time_in_force(self) -> TimeInForce:
        """What goes with it."""
        return TimeInForce.GTC if self.good_till is None else TimeInForce.GTD


@dataclass(frozen=True, slots=True, kw_only=True)
class Modification:
    """What of a working order is to be changed where it works; None stays as it is.

    `quantity` is the new total, what has filled included. Of the two trails one is set at most. `lifetime` is changed here at
    once; IBKR is asked for the rest.
    """

    reference: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    lifetime: Lifetime | None = None

    @classmethod
    def at_ibkr(cls, reference: str, values: Mapping[str, Decimal | None]) -> Modification:
        """What IBKR is asked to change, by the columns of the order."""
        return cls(
            reference=reference,
            quantity=values.get("quantity"),
            limit_price=values.get("limit_price"),
            stop_price=values.get("stop_price"),
            trail_amount=values.get("trail_amount"),
            trail_percent=values.get("trail_percent"),
        )


# The columns of an order that IBKR is asked to change.
MODIFIABLE = ("quantity", "limit_price", "stop_price", "trail_amount", "trail_percent")


class OrderStatus(StrEnum):
    """denied: we refused before sending. rejected: IBKR refused. submitted: sent, not yet acknowledged.

    unknown: sent, the answer was lost, being reconciled. needs_attention: reconciliation could not tell; a person decides.
    """

    CREATED = "created"
    DENIED = "denied"
    SUBMITTED = "submitted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NEEDS_ATTENTION = "needs_attention"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"


_S = OrderStatus
_AT_THE_BROKER = frozenset(
    {_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.PENDING_CANCEL, _S.CANCELED, _S.REJECTED, _S.EXPIRED}
)
_LATE_FILL = frozenset({_S.PARTIALLY_FILLED, _S.FILLED})

# Every legal move. Postgres checks the same table (`order_event_is_a_legal_move` is generated from it).
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.CREATED: frozenset({_S.SUBMITTED, _S.DENIED, _S.EXPIRED, _S.CANCELED}),
    # Back to created only when the request provably never left (the connection was refused).
    _S.SUBMITTED: _AT_THE_BROKER | {_S.CREATED, _S.UNKNOWN, _S.NEEDS_ATTENTION},
    _S.UNKNOWN: _AT_THE_BROKER | {_S.SUBMITTED, _S.NEEDS_ATTENTION},
    _S.NEEDS_ATTENTION: _AT_THE_BROKER,
    # Back to unknown where IBKR acknowledged it and then shows it nowhere.
    _S.ACCEPTED: frozenset(
        {_S.PARTIALLY_FILLED, _S.FILLED, _S.PENDING_CANCEL, _S.CANCELED, _S.REJECTED, _S.EXPIRED, _S.UNKNOWN}
    ),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.PENDING_CANCEL, _S.CANCELED, _S.EXPIRED, _S.UNKNOWN}),
    # A cancel can be refused, and a fill can overtake it; or IBKR has no such order, and what is held says otherwise.
    _S.PENDING_CANCEL: frozenset(
        {_S.CANCELED, _S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.REJECTED, _S.EXPIRED, _S.UNKNOWN}
    ),
    # A late fill is a fact: the broker's word that an execution happened beats our belief that the order was over.
    _S.CANCELED: _LATE_FILL,
    _S.EXPIRED: _LATE_FILL,
    # What was inactive for a reason that IBKR did not give may work after all.
    _S.REJECTED: _LATE_FILL | {_S.ACCEPTED},
    _S.DENIED: frozenset(),
    # Somebody made it larger at the broker while its last fill was on its way to us.
    _S.FILLED: frozenset({_S.PARTIALLY_FILLED}),
}

# States in which the order itself may be changed (a limit order becomes a market order); its history says so.
CHANGED_IN_PLACE = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED})

WAITING = frozenset({_S.CREATED})
IN_DOUBT = frozenset({_S.UNKNOWN, _S.NEEDS_ATTENTION})
IN_FLIGHT = IN_DOUBT | {_S.SUBMITTED}
WORKING = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL})
MAY_FILL = WAITING | IN_FLIGHT | WORKING
# States in which the broker's word on an order's size is written into its history.
SIZED_BY_THE_BROKER = IN_FLIGHT | WORKING
OVER = frozenset({_S.DENIED, _S.REJECTED, _S.FILLED, _S.CANCELED, _S.EXPIRED})


def can_move(old: OrderStatus, new: OrderStatus) -> bool:
    """True when an order may go from `old` to `new`."""
    return new in TRANSITIONS[old]
