"""The symbol check: what IBKR knows of the instrument that a message names, by the answers a connection has had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from brokers.book import quotes
from brokers.book.live_book import Book
from brokers.domain.orders import Instrument
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, ContractLookup
from strategies.deciding import scanned
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import why_untraded
from strategies.domain.numbers import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolCheck:
    """`state` is found, denied, unknown, asked, unasked or untraded; `code` is stable where no order can be made."""

    state: str
    sentence: str
    code: str = ""

    @property
    def is_good(self) -> bool:
        return self.state == "found"

    @property
    def is_bad(self) -> bool:
        return self.state in {"denied", "unknown", "untraded"}


def symbol_check(message: Message, account: BrokerageAccount, book: Book, now: datetime) -> SymbolCheck:
    """What the account's connection knows of the message's instrument. It asks nobody."""
    named = list(scanned.instruments(message))
    if not named:
        return SymbolCheck(state="untraded", sentence=why_untraded(message.symbol), code="asset-class-not-traded")
    # Of an option by its parts the rule that picks it comes behind its chain.
    instrument = named[-1]
    lookup = book.lookup(account, instrument)
    if lookup is None:
        sentence = f"IBKR was not asked about {instrument.ticker} yet. Check asks it."
        return SymbolCheck(state="unasked", sentence=sentence)
    match lookup.status:
        case ContractLookup.Status.WANTED:
            return SymbolCheck(state="asked", sentence=f"IBKR is being asked about {instrument.ticker}.")
        case ContractLookup.Status.UNKNOWN:
            return SymbolCheck(state="unknown", sentence=lookup.reason, code=lookup.reason_code or "unknown-symbol")
    known = f"{_contract(lookup, instrument)} {_last_price(lookup, account, now)}"
    if lookup.permitted is not None and account.account_id not in lookup.permitted:
        sentence = (
            f"{known} {account.account_id} may not trade it: ask for the trading permission in IBKR's Client Portal."
        )
        return SymbolCheck(state="denied", sentence=sentence, code="asset_class_not_permitted")
    return SymbolCheck(state="found", sentence=known)


def _contract(lookup: ContractLookup, instrument: Instrument) -> str:
    month = _month(lookup) if instrument.asset_class == "future" else ""
    name = f", {lookup.name}" if lookup.name and lookup.name != instrument.ticker else ""
    where = f" at {lookup.exchange}" if lookup.exchange else ""
    point = f", {plain(lookup.multiplier)} {lookup.currency} a point" if lookup.multiplier != 1 else ""
    steps = f"in steps of {plain(lookup.tick)}{point}"
    number = f"IBKR's contract {lookup.conid}" if (lookup.conid or 0) > 0 else "named to IBKR by its legs"
    return f"{instrument.ticker}{month}{name}{where} is {number}, in {lookup.currency}, {steps}."


def _month(lookup: ContractLookup) -> str:
    """The month that a continuous name stands for today."""
    rows = ContractLookup.objects.filter(connection=lookup.connection_id, conid=lookup.conid, asset_class="future")
    named = [row.ticker for row in rows.exclude(pk=lookup.pk).order_by("-ticker") if row.ticker[-4:].isdigit()]
    return f" ({named[0]})" if named and not lookup.ticker[-4:].isdigit() else ""


def _last_price(lookup: ContractLookup, account: BrokerageAccount, now: datetime) -> str:
    quote = quotes.shown(lookup)
    caution = "" if quote is None else quote.caution(lookup.ticker)
    if quote is not None and quote.bid is not None and quote.ask is not None and (lookup.conid or 0) < 0:
        said = f"Its legs together are bid at {plain(quote.bid)} and offered at {plain(quote.ask)}."
        return f"{said} {caution}" if caution else said
    if quote is None or quote.last is None:
        return caution or "No price was shown yet."
    seconds = max(0, int((now - quote.as_of).total_seconds()))
    ago = f"{seconds} seconds" if seconds < 120 else f"{seconds // 60:,} minutes"
    made_up = ", a simulated price," if account.connection.environment == Environment.SIMULATED else ""
    said = f"Its last price was {plain(quote.last)}{made_up or ','} {ago} ago."
    return f"{said} {caution}" if caution else said
