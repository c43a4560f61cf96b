"""Contracts and prices that a preview may use without asking IBKR: those the book knows, and plain assumptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.book import live_book
from brokers.book.live_book import Book
from brokers.book.views import Unknown, View
from brokers.domain.orders import OF_FUTURES, OPTIONS, AssetClass, Contract, Instrument
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from brokers.rulebook.products.cfds import NAMED, pair_of
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Symbol, why_untraded
from strategies.domain.numbers import plain
from strategies.domain.plan.option_meant import is_scan

# A pair is priced this fine until IBKR has said it, and a share this fine below and from one dollar on.
_PAIR_TICK, _PAIR_TICK_IN_YEN = Decimal("0.00005"), Decimal("0.005")
_SHARE_TICKS = ((Decimal(0), Decimal("0.0001")), (Decimal(1), Decimal("0.01")))


class KnownContracts:
    """Snapshots of the contracts that some messages are about, from the account's book or else assumed.

    `notes` say what had to be assumed; `unasked` names the instruments IBKR was never asked about here.
    """

    def __init__(
        self, account: BrokerageAccount | None, messages: Iterable[Message], now: datetime, *, ask: bool
    ) -> None:
        named = (m.instrument for m in messages if m.instrument is not None and not is_scan(m))
        instruments = list(dict.fromkeys(named))
        pairs = [(account, instrument) for instrument in instruments] if account is not None else []
        self.notes: list[str] = []
        self.unasked: list[str] = []
        self._unknown: dict[Instrument, str] = {}
        self.snapshots: dict[Instrument, Snapshot] = {}
        book = live_book.load(pairs, now, ask=ask)
        for instrument in instruments:
            self._look(account, instrument, book, now)

    def snapshot(self, message: Message) -> Snapshot | None:
        return self.snapshots.get(message.instrument) if message.instrument is not None else None

    def why_unknown(self, message: Message) -> str:
        """Why there is no snapshot for the message; empty where there is one."""
        if message.instrument is None:
            return f"{why_untraded(message.symbol)} Nothing would be ordered."
        if is_scan(message):
            return f"Which option on {message.symbol.root} is meant is only known when a signal comes."
        return self._unknown.get(message.instrument, "")

    def _look(self, account: BrokerageAccount | None, instrument: Instrument, book: Book, now: datetime) -> None:
        if account is not None:
            # The money as it was last seen will do: nothing is sent on it.
            view = replace(book, now=account.book_as_of or now).view(account, instrument)
            if isinstance(view, Unknown):
                self._unknown[instrument] = view.reason
                return
            if isinstance(view, View):
                self.snapshots[instrument] = view.snapshot
                return
            self.unasked.append(instrument.ticker)
        contract = _assumed(instrument)
        if contract is None:
            sized = instrument.asset_class in OPTIONS | OF_FUTURES
            what = "multiplier" if sized else "currency"
            self._unknown[instrument] = (
                f"IBKR was never asked about {instrument.ticker} here, so its {what} is unknown."
            )
            return
        tick = plain(contract.tick)
        self.notes.append(
            f"IBKR was never asked about {instrument.ticker} here: prices in {contract.currency} and steps of {tick} are assumed."
        )
        self.snapshots[instrument] = _without_book(account, contract, now)


def _assumed(instrument: Instrument) -> Contract | None:
    on_pair = instrument.asset_class is AssetClass.FOREX or pair_of(instrument.ticker) is not None
    match instrument.asset_class:
        case AssetClass.STOCK if ":" not in instrument.ticker:
            return Contract(instrument=instrument, conid=0, increments=_SHARE_TICKS)
        case AssetClass.CFD if ":" not in instrument.ticker and instrument.ticker not in NAMED and not on_pair:
            return Contract(instrument=instrument, conid=0)
        case AssetClass.FOREX | AssetClass.CFD if on_pair:
            currency = instrument.ticker[3:]
            tick = _PAIR_TICK_IN_YEN if currency == "JPY" else _PAIR_TICK
            return Contract(instrument=instrument, conid=0, currency=currency, tick=tick)
        case _:
            return None


def _without_book(account: BrokerageAccount | None, contract: Contract, now: datetime) -> Snapshot:
    return Snapshot(
        account_id=account.account_id if account else "",
        contract=contract,
        position=Decimal(0),
        average_cost=None,
        working=(),
        equity=account.equity if account else None,
        buying_power=account.buying_power if account else None,
        currency=account.currency if account else "USD",
        quote=None,
        as_of=now,
        environment=Environment(account.connection.environment) if account else Environment.SIMULATED,
    )


def last_price(account: BrokerageAccount | None, symbol: Symbol, now: datetime) -> Decimal | None:
    """The last price the book knows of the symbol, without asking IBKR."""
    instrument = symbol.instrument()
    if account is None or instrument is None:
        return None
    lookup = live_book.load([(account, instrument)], now, ask=False).lookup(account, instrument)
    return None if lookup is None else lookup.last
