"""Whether an account can carry an order: asked by the preview, when an order is taken, and again before it fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.rulebook import values as book
from brokers.rulebook.accounting import PAYS_NOTIONAL
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.security import only_reduces
from brokers.rulebook.words import OrderType
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.accounting import World, position_margins, worth
from brokers.simulator.exchange.records import ZERO, Account, Order
from brokers.simulator.exchange.rules import RULES, as_ruled, asset_class, commission, day_of, future_rows

TOO_LITTLE = (
    "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY MUST EXCEED THE INITIAL MARGIN."
)
NO_SHORTS = "Order rejected - reason: This account may not sell short."
NOT_SHORTABLE = "Order rejected - reason:The contract is not available for short sale."
TOO_LITTLE_CASH = (
    "Order rejected - reason: The settled cash does not cover this order and those that wait. "
    "Settled cash: {free:,.2f} {currency}, needed: {needed:,.2f} {currency}."
)
_REASONS = {"short_sale_not_allowed_in_cash_account": NO_SHORTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """So much of a contract, at the price it would cost; quantities are signed."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would change, and why it would be refused."""

    commission: Decimal
    initial: Decimal
    maintenance: Decimal
    held: Decimal
    refusal: str


def preview(account: Account, trade: Trade, world: World, working: Iterable[Order] = ()) -> Preview:
    """The order's effect on margin: the holding after it less the holding before it."""
    held = _held(account, trade.instrument)
    before = position_margins(account, held, trade.instrument, world)
    after = position_margins(account, held + trade.quantity, trade.instrument, world)
    return Preview(
        commission=fee_in_base(account, trade, world),
        initial=after[0] - before[0],
        maintenance=after[1] - before[1],
        held=held,
        refusal=refusal(account, trade, world, working),
    )


def fee_in_base(account: Account, trade: Trade, world: World) -> Decimal:
    to_dollars = world.rate(trade.instrument.currency, "USD")
    fee = commission(trade.instrument, abs(trade.quantity), trade.price, to_dollars, kind=account.kind)
    return (fee.amount * world.rate(fee.currency, account.base)).quantize(Decimal("0.01"))


def refusal(account: Account, trade: Trade, world: World, working: Iterable[Order] = ()) -> str:
    """Why the account cannot carry this, in the broker's words; nothing when it can.

    `working` are the account's other orders: in a cash account they have set their cash aside.
    """
    if trade.instrument.sec_type != "CASH" and only_reduces(_held(account, trade.instrument), trade.quantity):
        # The rulebook says so as well; most ways out need not ask it.
        return ""
    working = list(working) if account.kind == "cash" else []
    reason = _by_the_rulebook(account, trade, world, working)
    if reason or account.kind != "cash":
        return reason
    return _overdraws(account, trade, world, working)


def _by_the_rulebook(account: Account, trade: Trade, world: World, working: list[Order]) -> str:
    instrument = trade.instrument
    mark = world.mark(instrument.conid) or trade.price
    underlying = world.mark(instrument.underlying_conid) * instrument.units if instrument.is_option else ZERO
    forex = instrument.sec_type == "CASH"
    verdict = buying_power(
        as_ruled(instrument),
        book.Order(
            type=OrderType.MARKET if trade.limit_price is None else OrderType.LIMIT,
            quantity=trade.quantity,
            limit_price=trade.limit_price,
        ),
        book.Quote(price=mark, ask=trade.price),
        book.Account(
            type=account.rule_kind,
            currency=account.base,
            available=worth(account, world).available_funds,
            balances=account.cash,
        ),
        position=book.Position(quantity=_held(account, instrument)),
        fee=fee_in_base(account, trade, world),
        rules=RULES,
        fx_rate=world.rate(instrument.currency, account.base),
        base_rate=world.rate(instrument.symbol, account.base) if forex else book.ONE,
        today=day_of(world.now),
        underlying_price=underlying,
        future_rows=future_rows(instrument, underlying if instrument.is_option else mark, day_of(world.now)),
        open_orders=_pairs(working, world),
    )
    return "" if verdict.reason is None else _REASONS.get(verdict.reason, TOO_LITTLE)


def _overdraws(account: Account, trade: Trade, world: World, working: list[Order]) -> str:
    """A cash account pays with settled cash of the contract's own currency, less what waiting purchases will need."""
    instrument = trade.instrument
    if trade.quantity <= 0 or asset_class(instrument) not in PAYS_NOTIONAL:
        return ""
    currency = instrument.currency
    price = trade.price if trade.limit_price is None else max(trade.price, trade.limit_price)
    fee = fee_in_base(account, trade, world) * world.rate(account.base, currency)
    needed = trade.quantity * price * instrument.multiplier + fee
    free = account.cash.get(currency, ZERO)
    needed += sum((_set_aside(order, currency, world) for order in working), ZERO)
    return TOO_LITTLE_CASH.format(free=free, needed=needed, currency=currency) if needed > free else ""


def _set_aside(order: Order, currency: str, world: World) -> Decimal:
    """What a waiting purchase will cost."""
    instrument = world.find(order.conid)
    if order.side == "SELL" or order.held or instrument is None or instrument.currency != currency:
        return ZERO
    if instrument.sec_type not in {"STK", "OPT", "FOP"}:
        return ZERO
    price = order.limit_price or order.stop_price or world.mark(order.conid)
    return order.remaining * price * instrument.multiplier


def _pairs(working: list[Order], world: World) -> list[book.OpenOrder]:
    """The waiting orders for currency pairs, which reserve the currency they pay with."""
    reserving = []
    for order in working:
        instrument = world.find(order.conid)
        if instrument is None or instrument.sec_type != "CASH" or order.held:
            continue
        price = order.limit_price or order.stop_price or world.mark(order.conid)
        waiting = book.Order(type=OrderType.LIMIT, quantity=order.sign * order.remaining, limit_price=price)
        reserving.append(book.OpenOrder(base=instrument.symbol, quote=instrument.currency, order=waiting))
    return reserving


def affordable(account: Account, trade: Trade, world: World, working: Iterable[Order] = ()) -> Decimal:
    """The most units of a trade that the account can carry, by bisection."""
    waiting = list(working)

    def carries(units: int) -> bool:
        quantity = Decimal(units if trade.quantity > 0 else -units)
        return not refusal(account, replace(trade, quantity=quantity), world, waiting)

    low, high = 0, int(abs(trade.quantity))
    if carries(high):
        return Decimal(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if carries(middle) else (low, middle)
    return Decimal(low)


def _held(account: Account, instrument: Instrument) -> Decimal:
    position = account.positions.get(instrument.conid)
    return ZERO if position is None else position.quantity
