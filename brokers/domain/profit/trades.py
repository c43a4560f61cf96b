"""Round trips: a trade begins where a position opens and ends where it is flat; profit by average price, as at IBKR.

Everything is made anew from fills and splits, in the order in which they happened, so a correction or a late fill changes what
it belongs to. Fees are no part of a price or of `realized`. A fill that ends one position and opens another is a part of both
trades, its fee divided by their units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext

from brokers.domain.orders import Side
from brokers.domain.profit.facts import ONE, ZERO, Effect, Fill, Held, Owner, Rate, Split, as_corrected

# Averages need not end: with so many digits, sums of them are exact to far below a cent.
_DIGITS = 60
_BASIS_POINTS = 10_000
# What a division has lost behind its last digit is no fraction of a unit.
_FINE = Decimal("1e-15")
# Parts of a fee and of a profit end here, so that they add up to the whole in whatever order they are added.
_KEPT = Decimal("1e-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a fill did to one trade. `units` above zero, as dealt; `realized` and `fee` in the contract's currency."""

    execution_id: str
    at: datetime
    side: Side
    units: Decimal
    price: Decimal
    fee: Decimal
    # Whether the broker has told the fee.
    fee_known: bool
    realized: Decimal
    rate: Rate | None
    # Money lost against the signal's price, and what that many units were worth at it; None without such a price.
    slippage: Decimal | None = None
    at_signal: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One round trip of one owner. Units and prices are those of after the last split; money is in the contract's currency.

    `closed_at` is None while units are `left`. Without entries it is what was closed and never seen to be opened: its profit
    is not known. `most` is the largest cost of what it held at a time.
    """

    owner: Owner
    conid: int
    # The trade's name: the fill that began it, and how often that fill began one.
    begun_by: str
    number: int
    side: Side
    opened_at: datetime
    closed_at: datetime | None
    entered: Decimal
    exited: Decimal
    left: Decimal
    # What one unit that is left cost; the average price of all entries, and that of all exits.
    average: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    most: Decimal
    entries: tuple[Part, ...]
    exits: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.entries, *self.exits)

    @property
    def is_known(self) -> bool:
        """Whether its profit can be told: it was seen to be opened."""
        return bool(self.entries)

    @property
    def realized(self) -> Decimal | None:
        """Profit of what was closed, before fees."""
        return sum((part.realized for part in self.exits), ZERO) if self.is_known else None

    @property
    def fees(self) -> Decimal:
        return sum((part.fee for part in self.parts), ZERO)

    @property
    def realized_at_home(self) -> Decimal | None:
        """`realized` in the account's currency, each exit at the rate of its moment; None as soon as one has none."""
        return _at_home([(part.realized, part.rate) for part in self.exits]) if self.is_known else None

    @property
    def fees_at_home(self) -> Decimal | None:
        return _at_home([(part.fee, part.rate) for part in self.parts])

    @property
    def rate(self) -> Rate | None:
        """The rate that was used last."""
        return max(self.parts, key=lambda part: part.at).rate

    @property
    def held(self) -> timedelta | None:
        """How long it took, once it is over."""
        return None if self.closed_at is None else self.closed_at - self.opened_at

    @property
    def slippage(self) -> Decimal | None:
        """Money lost against the prices of its signals, over the fills that have one; None where none has."""
        known = [part.slippage for part in self.parts if part.slippage is not None]
        return sum(known, ZERO) if known else None

    @property
    def slippage_points(self) -> Decimal | None:
        """The same in basis points of what it was worth at those prices."""
        worth = sum((part.at_signal for part in self.parts if part.at_signal is not None), ZERO)
        slippage = self.slippage
        return None if slippage is None or not worth else slippage / worth * _BASIS_POINTS

    def unrealized(self, mark: Decimal, multiplier: Decimal) -> Decimal | None:
        """Profit of what is left at a price, in the contract's currency, before the fees of closing it."""
        return None if self.average is None else (mark - self.average) * self.left * self.side.sign * multiplier


def _at_home(amounts: Iterable[tuple[Decimal, Rate | None]]) -> Decimal | None:
    """The sum of amounts at their rates; an amount of nothing needs none."""
    total = ZERO
    for amount, rate in amounts:
        if amount and rate is None:
            return None
        total += amount * (ONE if rate is None else rate.value)
    return total


def trades(
    fills: Iterable[Fill], splits: Iterable[Split] = (), *, multiplier: Decimal = ONE, before: Held | None = None
) -> list[Trade]:
    """The trades of one contract in one account, those that began first in front.

    `multiplier`: what one point of a price is worth. Fills that one second holds keep the order in which they are given.
    `before`: what was held before any of these fills was seen, as it was found.
    """
    dealt = as_corrected(fills)
    events: list[tuple[datetime, int, Fill | Split]] = [(fill.at, 0, fill) for fill in dealt]
    # A split comes after the fills of its own moment.
    events += [(split.at, 1, split) for split in splits]
    with localcontext() as context:
        context.prec = _DIGITS
        books = _Books(multiplier, _unseen(before, dealt))
        for _, _, event in sorted(events, key=lambda each: each[:2]):
            if isinstance(event, Split):
                books.split(event)
            else:
                books.deal(event)
        return books.trades()


def _unseen(before: Held | None, dealt: Sequence[Fill]) -> Decimal:
    """What was held, signed, before the first of these fills."""
    if before is None:
        return ZERO
    return before.quantity - sum((fill.quantity for fill in dealt if fill.at <= before.at), ZERO)


@dataclass(slots=True)
class _Book:
    """A trade that is under way: what an owner holds. `cost` is that of what is left, without its sign."""

    owner: Owner
    conid: int
    begun_by: str
    number: int
    side: Side
    opened_at: datetime
    closed_at: datetime | None = None
    left: Decimal = ZERO
    cost: Decimal = ZERO
    most: Decimal = ZERO
    entered: Decimal = ZERO
    entered_for: Decimal = ZERO
    exited: Decimal = ZERO
    exited_for: Decimal = ZERO
    entries: list[Part] = field(default_factory=list)
    exits: list[Part] = field(default_factory=list)

    @property
    def signed(self) -> Decimal:
        return self.left * self.side.sign

    def trade(self) -> Trade:
        return Trade(
            owner=self.owner,
            conid=self.conid,
            begun_by=self.begun_by,
            number=self.number,
            side=self.side,
            opened_at=self.opened_at,
            closed_at=self.closed_at,
            entered=self.entered,
            exited=self.exited,
            left=self.left,
            average=self.cost / self.left if self.left else None,
            entry_price=self.entered_for / self.entered if self.entered else None,
            exit_price=self.exited_for / self.exited if self.exited else None,
            most=self.most,
            entries=tuple(self.entries),
            exits=tuple(self.exits),
        )


class _Books:
    """What the owners of one contract hold, each for itself, and what they held before."""

    def __init__(self, multiplier: Decimal, unseen: Decimal = ZERO) -> None:
        self._multiplier = multiplier
        # What is left of it, signed; nobody knows what it cost.
        self._unseen = unseen
        self._open: dict[Owner, _Book] = {}
        self._all: list[_Book] = []
        self._begun: dict[str, int] = {}

    def trades(self) -> list[Trade]:
        return [book.trade() for book in self._all]

    def deal(self, fill: Fill) -> None:
        """Close what is held on the other side, by its effect, and open with what is left of the fill."""
        rest = _Rest(fill)
        if fill.effect is Effect.EITHER:
            # Whoever trades elsewhere had it before anything else was opened.
            self._close_unseen(rest, min(rest.units, self._unseen_against(fill)))
        for book in self._to_close(fill):
            if not rest.units:
                return
            self._close(book, rest)
        if not rest.units:
            return
        if fill.effect is Effect.CLOSES:
            self._close_unseen(rest, rest.units)
        else:
            self._open_or_add(rest)

    def split(self, split: Split) -> None:
        """Scale what is held by the ratio; what an account then has of a unit is paid in cash, and leaves at its cost."""
        books = [book for book in self._open.values() if book.conid == split.conid_before]
        ratio = split.ratio
        self._unseen = ratio.whole(self._unseen)
        held = sum((book.signed for book in books), ZERO)
        for book in books:
            book.conid = split.conid
            book.entered, book.exited = ratio.exact(book.entered), ratio.exact(book.exited)
            book.left = ratio.exact(book.left).quantize(_KEPT)
        # Thirds of several owners make whole units again: what rounding leaves is the largest one's.
        exact = ratio.exact(held).quantize(_KEPT)
        if books and (rest := exact - sum((book.signed for book in books), ZERO)):
            largest = max(books, key=lambda book: book.left)
            largest.left += rest * largest.side.sign
        fraction = exact - exact.to_integral_value(ROUND_DOWN)
        if ratio.is_one or abs(fraction) < _FINE:
            return
        for book in reversed(books):
            if book.signed * fraction <= 0:
                continue
            gone = min(abs(fraction), book.left)
            book.cost -= book.cost * gone / book.left
            book.left -= gone
            fraction -= gone * book.side.sign
            if not book.left:
                self._end(book, split.at)

    def _to_close(self, fill: Fill) -> Sequence[_Book]:
        """The books on the other side that a fill may close: its owner's, then those of others by their age."""
        mine = self._open.get(fill.owner)
        others = [] if fill.effect is Effect.OPENS else [book for book in self._open.values() if book is not mine]
        candidates = [*([] if mine is None else [mine]), *sorted(others, key=lambda book: book.opened_at)]
        return [book for book in candidates if book.signed * fill.quantity < 0]

    def _close(self, book: _Book, rest: _Rest) -> None:
        units = min(rest.units, book.left)
        cost = book.cost if units == book.left else book.cost * units / book.left
        points = (rest.fill.price * units - cost) * book.side.sign
        realized = (points * self._multiplier).quantize(_KEPT)
        book.exits.append(rest.take(units, self._multiplier, realized=realized))
        book.cost -= cost
        book.left -= units
        book.exited += units
        book.exited_for += units * rest.fill.price
        if not book.left:
            self._end(book, rest.fill.at)

    def _end(self, book: _Book, at: datetime) -> None:
        book.closed_at, book.cost = at, ZERO
        del self._open[book.owner]

    def _unseen_against(self, fill: Fill) -> Decimal:
        """How much of what nobody saw to be opened a fill may close, unsigned."""
        return abs(self._unseen) if self._unseen * fill.quantity < 0 else ZERO

    def _close_unseen(self, rest: _Rest, units: Decimal) -> None:
        """An exit from what nobody saw to be opened: a trade of its own, of which only the end is known."""
        if not units:
            return
        gone = min(units, self._unseen_against(rest.fill))
        self._unseen += gone * rest.side.sign
        book = self._begin(rest.fill, Side(rest.side).opposite)
        book.closed_at = rest.fill.at
        book.exited, book.exited_for = units, units * rest.fill.price
        book.exits.append(rest.take(units, self._multiplier, realized=ZERO))

    def _open_or_add(self, rest: _Rest) -> None:
        fill = rest.fill
        book = self._open.get(fill.owner)
        if book is None:
            book = self._open[fill.owner] = self._begin(fill, rest.side)
        units, value = rest.units, rest.units * fill.price
        book.left += units
        book.cost += value
        book.entered += units
        book.entered_for += value
        book.most = max(book.most, abs(book.cost) * self._multiplier)
        book.entries.append(rest.take(units, self._multiplier, realized=ZERO))

    def _begin(self, fill: Fill, side: Side) -> _Book:
        number = self._begun[fill.execution_id] = self._begun.get(fill.execution_id, 0) + 1
        book = _Book(fill.owner, fill.conid, fill.execution_id, number, side, fill.at)
        self._all.append(book)
        return book


class _Rest:
    """What of a fill is in no trade yet, and what of its fee."""

    def __init__(self, fill: Fill) -> None:
        self.fill = fill
        self.side = Side.BUY if fill.quantity > 0 else Side.SELL
        self.units = abs(fill.quantity)
        self._fee = fill.fee or ZERO

    def take(self, units: Decimal, multiplier: Decimal, *, realized: Decimal) -> Part:
        """So many units, and their part of the fee; the last part takes what is left of it."""
        fee = self._fee if units == self.units else (self._fee * units / self.units).quantize(_KEPT)
        self._fee -= fee
        self.units -= units
        price = self.fill.signal_price
        slippage = None if price is None else (self.fill.price - price) * self.side.sign * units * multiplier
        return Part(
            execution_id=self.fill.execution_id,
            at=self.fill.at,
            side=self.side,
            units=units,
            price=self.fill.price,
            fee=fee,
            fee_known=self.fill.fee is not None,
            realized=realized,
            rate=self.fill.rate,
            slippage=slippage,
            at_signal=None if price is None else abs(price) * units * multiplier,
        )
