"""The contract month a signal by a continuous name is decided on, by what the account's book shows of the others."""

from __future__ import annotations

from dataclasses import replace

from brokers.book.live_book import Book
from brokers.book.views import Unknown, View
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.domain.decide.rolled import Month, month_meant
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Rejection


def instrument_meant(message: Message, account: BrokerageAccount, book: Book) -> Instrument | Rejection:
    """The instrument of the message, or the month that is held where the chart has gone on from it."""
    assert message.instrument is not None, "it is traded"
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
