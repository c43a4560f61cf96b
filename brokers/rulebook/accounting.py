"""What a fill does to an account: fee, cash, realised profit and average price, in that order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from brokers.rulebook.answers import Provenance
from brokers.rulebook.errors import BadInput, MissingRate, UnsupportedAssetClass
from brokers.rulebook.settlement import Unsettled, after_fill, closed_quantity
from brokers.rulebook.values import FLAT, ONE, ZERO, Instrument, Position
from brokers.rulebook.words import AssetClass

PAYS_NO_NOTIONAL = frozenset({AssetClass.FUTURE, AssetClass.CFD})
PAYS_NOTIONAL = frozenset({AssetClass.EQUITY, AssetClass.OPTION, AssetClass.INDEX_OPTION, AssetClass.FUTURE_OPTION})


@dataclass(frozen=True, slots=True)
class Fee:
    """An amount in a currency, with the ruleset that charged it; None for a fee that none did."""

    amount: Decimal
    currency: str
    provenance: Provenance | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill: `quantity` signed, `price` per unit in the instrument's currency; `delayed` proceeds settle at `settles_at`."""

    quantity: Decimal
    price: Decimal
    fee: Fee | None = None
    delayed: bool = False
    settles_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Cash by currency and the position in one instrument; fees and realised profit are in the account's `currency`.

    `rates` turn one unit of a currency into the account's. Fees are no part of the average price or of the profit.
    """

    currency: str
    cash: Mapping[str, Decimal]
    unsettled: tuple[Unsettled, ...] = ()
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    position: Position = FLAT
    realised_profit: Decimal = ZERO
    total_fees: Decimal = ZERO

    def rate(self, currency: str) -> Decimal:
        """What one unit of a currency is in the account's; MissingRate where the book has none."""
        if currency == self.currency:
            return ONE
        rate = self.rates.get(currency)
        if rate is None:
            raise MissingRate(currency)
        return rate

    def unsettled_by_currency(self) -> dict[str, Decimal]:
        totals: dict[str, Decimal] = {}
        for entry in self.unsettled:
            totals[entry.currency] = totals.get(entry.currency, ZERO) + entry.amount
        return totals


def apply_fill(book: Book, instrument: Instrument, execution: Execution) -> Book:
    """The book after one fill: fee, cash, realised profit and average price, in this order.

    Futures and CFDs move no notional. Raises MissingRate, UnsupportedAssetClass, or BadInput for a pair without a base.
    """
    book = _pay_fee(book, execution.fee)
    book = _move_notional(book, instrument, execution)
    book = _realize(book, instrument, execution)
    return replace(book, position=after_fill(book.position, execution.quantity, execution.price))


def release(book: Book, now: datetime) -> Book:
    """The book with proceeds that are due by `now` moved to cash; a second call changes nothing."""
    due = [entry for entry in book.unsettled if entry.settles_at is not None and entry.settles_at <= now]
    cash = book.cash
    for entry in due:
        cash = _moved(cash, entry.currency, entry.amount)
    return replace(book, cash=cash, unsettled=tuple(entry for entry in book.unsettled if entry not in due))


def unrealized_profit(
    position: Position,
    instrument: Instrument,
    *,
    bid: Decimal,
    ask: Decimal,
    last: Decimal,
    closing_fee: Decimal = ZERO,
) -> Decimal:
    """Profit in the instrument's currency: a long position at the bid, a short one at the ask, less the fee of closing it.

    Zero is a side without a price; the last price stands in for it.
    """
    mark = (bid if position.quantity > 0 else ask) or last
    return (mark - position.average_price) * position.quantity * instrument.multiplier - closing_fee


def _pay_fee(book: Book, fee: Fee | None) -> Book:
    if fee is None or fee.amount == 0:
        return book
    return replace(
        book,
        cash=_moved(book.cash, fee.currency, -fee.amount),
        total_fees=book.total_fees + fee.amount * book.rate(fee.currency),
    )


def _move_notional(book: Book, instrument: Instrument, execution: Execution) -> Book:
    if instrument.asset_class in PAYS_NO_NOTIONAL:
        return book
    amount = -execution.quantity * execution.price * instrument.multiplier
    if instrument.asset_class in PAYS_NOTIONAL:
        return _settle(book, instrument.currency, amount, execution)
    if instrument.asset_class != AssetClass.FOREX:
        raise UnsupportedAssetClass(instrument.asset_class)
    if not instrument.base:
        raise BadInput("base_currency", problem="a currency pair needs one")
    book = _settle(book, instrument.currency, amount, execution)
    return replace(book, cash=_moved(book.cash, instrument.base, execution.quantity))


def _realize(book: Book, instrument: Instrument, execution: Execution) -> Book:
    closed = closed_quantity(book.position.quantity, execution.quantity)
    if closed == 0:
        return book
    profit = (execution.price - book.position.average_price) * closed * instrument.multiplier
    if instrument.asset_class in PAYS_NO_NOTIONAL:
        book = _settle(book, instrument.currency, profit, execution)
    return replace(book, realised_profit=book.realised_profit + profit * book.rate(instrument.currency))


def _settle(book: Book, currency: str, amount: Decimal, execution: Execution) -> Book:
    """Debits leave at once; proceeds wait where settlement is delayed."""
    if execution.delayed and amount > 0:
        entry = Unsettled(amount=amount, currency=currency, settles_at=execution.settles_at)
        return replace(book, unsettled=(*book.unsettled, entry))
    return replace(book, cash=_moved(book.cash, currency, amount))


def _moved(cash: Mapping[str, Decimal], currency: str, amount: Decimal) -> dict[str, Decimal]:
    return {**cash, currency: cash.get(currency, ZERO) + amount}
