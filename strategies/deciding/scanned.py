"""A signal that names an option by its parts becomes one about a contract: the one that is held, or one picked now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from brokers.book import contracts
from brokers.book.live_book import Book
from brokers.book.options import names
from brokers.book.views import NotYet
from brokers.domain.contracts.options import OptionName, chain_of, named
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import BrokerageAccount, ContractLookup
from strategies.domain.message.freshness import may_close
from strategies.domain.message.message import Action, Message
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.plan.option_meant import Held, is_scan, may_be_on, option_meant, rule_for
from strategies.domain.plan.plan import Rejection, Terms


@dataclass(frozen=True, slots=True)
class Resolved:
    """The message about one contract. `by_direction`: see `option_meant.Meant`."""

    message: Message
    by_direction: bool = False


def instruments(message: Message) -> Iterable[Instrument]:
    """What a decision of this message looks at in the book: its instrument, and the contract that its rule picks now."""
    if message.instrument is None:
        return ()
    if not is_scan(message) or message.action not in {Action.BUY, Action.SELL}:
        return (message.instrument,)
    rule = rule_for(message.symbol.root, message.option, bullish=message.action is Action.BUY)
    return (message.instrument,) if isinstance(rule, Rejection) else (message.instrument, _of(str(rule), message))


def resolved(message: Message, account: BrokerageAccount, book: Book, terms: Terms) -> Resolved | NotYet | Rejection:
    """The message, as it was sent, about the contract that it means by these terms; as it is where it names one itself."""
    if not is_scan(message):
        return Resolved(message)
    options = [
        Held(
            ticker=each.instrument.ticker,
            quantity=each.quantity,
            works=each.works,
            before=book.renamed.before(account.pk, each.instrument.ticker),
        )
        for each in book.held_options.get((account.pk, chain_of(message.symbol.root, str(message.symbol.kind))), ())
        if may_be_on(each.instrument.ticker, message.symbol.root)
    ]
    if account.book_as_of is None or not account.is_present(book.now):
        return NotYet(waiting_for="a fresh look at the account's positions", on_its_way=True)
    meant = option_meant(message, options, terms)
    if isinstance(meant, Rejection):
        lacks = _gone_on(message, account, book) if may_close(message) else None
        return meant if lacks is None else names.is_gone(lacks)
    if meant.rule is None:
        return _about(meant.message, meant.ticker, "", by_direction=meant.by_direction)
    instrument = _of(str(meant.rule), message)
    lookup = book.lookup(account, instrument)
    if lookup is None or lookup.status == ContractLookup.Status.WANTED:
        return NotYet(waiting_for=f"an option on {meant.rule.underlying} to be picked", on_its_way=True)
    if lookup.status == ContractLookup.Status.UNKNOWN:
        return Rejection(rule="B04", code=lookup.reason_code or "no-option-fits", reason=lookup.reason)
    row = book.picked.get(contracts.key_of(account, instrument))
    if row is None:
        return NotYet(waiting_for=f"an option on {meant.rule.underlying} to be picked", on_its_way=True)
    return _about(meant.message, row.ticker, lookup.name, by_direction=meant.by_direction)


def _about(message: Message, ticker: str, how: str, *, by_direction: bool) -> Resolved:
    name = named(ticker)
    assert name is not None, "options are kept under names"
    return Resolved(replace(message, symbol=_symbol(name, how)), by_direction)


def _symbol(name: OptionName, how: str) -> Symbol:
    facts = {
        "underlying": name.underlying,
        "expiry": f"{name.expiry:%Y%m%d}",
        "right": name.right,
        "strike": f"{name.strike.normalize():f}",
    }
    if name.series:
        facts["series"] = name.series
    kind = Kind.FUTURE_OPTION if name.future else Kind.OPTION
    return Symbol(kind, str(name), name.underlying, {**facts, "picked": how} if how else facts)


def _gone_on(message: Message, account: BrokerageAccount, book: Book) -> str | None:
    """An option of the message's chain that IBKR's list lacks of late; None where there is none."""
    chain = chain_of(message.symbol.root, str(message.symbol.kind))
    lacking = ((named(ticker), ticker) for (pk, _conid), ticker in book.gone.items() if pk == account.pk)
    return next((ticker for name, ticker in lacking if name is not None and name.root == chain), None)


def _of(ticker: str, message: Message) -> Instrument:
    return Instrument(ticker=ticker, asset_class=AssetClass(message.symbol.kind))
