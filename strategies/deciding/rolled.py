"""The contract that a signal is decided on where its name has gone on to another: a continuous name to the next month, that of an
option by a split of its share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.book.live_book import Book
from brokers.book.options.renamed import Renamed
from brokers.book.views import Unknown, View
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.domain.decide.rolled import Month, month_meant
from strategies.domain.message import after_split
from strategies.domain.message.message import Message
from strategies.domain.plan.option_meant import Since, option_meant_now
from strategies.domain.plan.plan import Rejection


def instrument_meant(
    message: Message,
    account: BrokerageAccount,
    book: Book,
    *,
    members: Collection[BrokerageAccount] = (),
    invert_puts: bool = False,
) -> Instrument | Rejection:
    """The instrument of the message, the month that is held where the chart has gone on from it, or the option that the one of
    its name has become by a split. `members`: the accounts of the group that it is decided for."""
    assert message.instrument is not None, "it is traded"
    if message.instrument.asset_class is AssetClass.OPTION:
        accounts = [account.pk, *(member.pk for member in members)]
        return _option(message, message.instrument, accounts, book.renamed, invert_puts=invert_puts)
    months_held = book.months_beside(account, message.instrument)
    if not months_held or not _shows_nothing(book.view(account, message.instrument)):
        return message.instrument
    months = [
        Month(ticker=other.instrument.ticker, quantity=other.quantity, works=other.works, is_past=other.is_past)
        for other in months_held
    ]
    meant = month_meant(message, months)
    if meant is None or isinstance(meant, Rejection):
        return meant or message.instrument
    return Instrument(ticker=meant.ticker, asset_class=AssetClass.FUTURE)


def in_contracts_of_now(
    message: Message, meant: Instrument, accounts: Collection[int], book: Book
) -> Message | Rejection:
    """The message in the contracts that it means: by the name that an option had before a split it counts those of before. Where
    the accounts of a group were split by several ratios, only what names no size and no price means one thing in all."""
    own = message.instrument
    if meant.asset_class is not AssetClass.OPTION or own is None or own.ticker == meant.ticker:
        return message
    units = {book.renamed.units_of(pk, own.ticker) for pk in accounts if book.renamed.now(pk, own.ticker)}
    if len(units) <= 1:
        return after_split.in_contracts_of_now(message, units.pop()) if units else message
    plain = replace(message, signal_price=None)
    if all(after_split.in_contracts_of_now(plain, each) == plain for each in units):
        return plain
    return Rejection(
        rule="B04",
        code="split-by-several-ratios",
        reason=f"{own.ticker} was split by several ratios in the accounts of this group, so that the sizes and prices of this signal mean "
        f"several things. Send it by the name of now, {meant.ticker}; all of it is closed by an exit without them.",
    )


def _option(
    message: Message, instrument: Instrument, accounts: Sequence[int], renamed: Renamed, *, invert_puts: bool
) -> Instrument | Rejection:
    """The option that a name means, or a combo: by a split of its share it may have another name."""
    ticker = instrument.ticker
    names = {now for pk in accounts if (now := renamed.now(pk, ticker)) is not None}
    if len(names) != 1 or any(renamed.is_in_use(pk, ticker) for pk in accounts):
        return instrument
    (now,) = names
    since = Since(ticker=now, quantity=sum((renamed.held(pk, now) for pk in accounts), Decimal(0)))
    meant = option_meant_now(message, since, invert_puts=invert_puts)
    if meant is None or isinstance(meant, Rejection):
        return meant or instrument
    return replace(instrument, ticker=meant)


def _shows_nothing(view: object) -> bool:
    """Whether the month of the chart is certainly flat, without an order; or is none that IBKR knows."""
    if isinstance(view, View):
        return not view.snapshot.position and not view.unsettled and not view.snapshot.working
    return isinstance(view, Unknown)


def beside(snapshot: Snapshot, account: BrokerageAccount, book: Book) -> Snapshot:
    """The snapshot with the other months that are held."""
    months_held = book.months_beside(account, snapshot.contract.instrument)
    held = tuple(other.instrument.ticker for other in months_held if other.quantity)
    return replace(snapshot, other_months=held) if held else snapshot
