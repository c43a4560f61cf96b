"""What terms would make of signals, before they are set: examples, and the last signals one after another.

Nothing is stored or sent. Terms, ticker, price and position are whatever is asked about; contract and money are the
account's, where they are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.book import live_book
from brokers.book.live_book import Book, Unknown, View
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderType, Resize
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.models import BrokerageAccount
from strategies.display.labels import EFFECTIVE, said
from strategies.domain.decide.walkthrough import Holding, TimedSignal, holding_under, next_trading_time, walk
from strategies.domain.message.message import Action, Bracket, Message, OrderShape
from strategies.domain.message.symbols import WORDS, Symbol
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Chosen, Leg, effective
from strategies.domain.terms.terms import QuantityType, Terms
from strategies.models import Signal, Strategy
from strategies.rehearsal.dry_run import OrderLine, lines

LAST = 20
_OF_ENTRIES = frozenset({"take_profit", "stop_loss"})
_OF_EXITS = frozenset({"breakeven_offset"})
# A pair is priced this fine until IBKR has said it.
_PAIR_TICK = Decimal("0.00005")
_ONE_PERCENT, _TWO_PERCENT = Bracket(mode="percent", value=Decimal(1)), Bracket(mode="percent", value=Decimal(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What somebody asks about: a ticker at a price, what signals say of the quantity, and what is held before them."""

    symbol: Symbol
    price: Decimal | None
    quantity: Decimal | None
    position: Decimal = Decimal(0)
    # Now, or when the terms trade next.
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One signal and what becomes of it; `note` is why nothing can be said."""

    title: str
    message: Message
    signal: Signal | None = None
    status: str = ""
    rule: str = ""
    code: str = ""
    reason: str = ""
    orders: tuple[OrderLine, ...] = ()
    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    met: tuple[str, ...] = ()
    held: str = ""
    note: str = ""

    @property
    def says(self) -> str:
        """The signal in one line: "buy 10 SPY at 100"."""
        return in_words(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The answers, and what had to be assumed for them. `unasked`: instruments IBKR was never asked about here."""

    rows: tuple[Shown, ...]
    at: datetime | None = None
    notes: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def example_messages(scene: Scene) -> list[tuple[str, Message]]:
    """A signal of every kind, by its title."""
    base: dict[str, Any] = {"symbol": scene.symbol, "signal_price": scene.price}
    sized = {**base, "quantity": scene.quantity}
    half: dict[str, Any] = {"quantity": Decimal(50), "quantity_type": str(QuantityType.PERCENT_OF_POSITION)}
    found = [
        ("Buy", Message(action=Action.BUY, **sized)),
        ("Sell", Message(action=Action.SELL, **sized)),
        (
            "Buy with its own stop and target",
            Message(action=Action.BUY, **sized, stop_loss=_ONE_PERCENT, take_profit=_TWO_PERCENT),
        ),
        ("Exit", Message(action=Action.EXIT, **base)),
        ("Exit half", Message(action=Action.EXIT, **base, **half)),
        ("Add", Message(action=Action.ADD, **sized)),
        ("Reverse", Message(action=Action.REVERSE, **sized)),
        ("Stop at break-even", Message(action=Action.BREAKEVEN, **base, order=OrderShape(type=str(OrderType.STOP)))),
        ("Cancel", Message(action=Action.CANCEL, **base)),
    ]
    if scene.quantity is not None:
        found.insert(2, ("Buy without a quantity", Message(action=Action.BUY, **base)))
    return found


def examples(
    terms: Terms, account: BrokerageAccount | None, scene: Scene, now: datetime, *, ask: bool = False
) -> Preview:
    """Each example by itself, in the position of the scene, as if it came now or when the terms trade next."""
    messages = example_messages(scene)
    cast = _Cast(account, [message for _, message in messages], now, ask=ask)
    shown = next(iter(cast.snapshots.values()), None)
    at = now if scene.at_once or shown is None else next_trading_time(terms, shown, now)
    rows = []
    for title, message in messages:
        snapshot, instrument = cast.snapshot(message), message.instrument
        if snapshot is None or instrument is None:
            rows.append(Shown(title=title, message=message, note=cast.why(message)))
            continue
        holding = _holding(terms, snapshot, scene)
        # One walk of one step: the price, the position and its protection are the scene's.
        told = [TimedSignal(message=message, at=at)]
        step = next(walk(told, terms, {instrument: snapshot}, {instrument: holding}))
        assert step is not None, "its snapshot is there"
        rows.append(_shown(title, message, step.answer, terms, holding))
    return Preview(rows=tuple(rows), at=at, notes=tuple(cast.notes), unasked=tuple(cast.unasked))


def last_signals(
    strategy: Strategy,
    terms: Terms,
    account: BrokerageAccount | None,
    scene: Scene | None,
    now: datetime,
    *,
    ask: bool = False,
) -> Preview:
    """The strategy's last signals in the order they came, each at its own moment, were every order filled at once.

    All start flat but the scene's ticker, which starts with the scene's position.
    """
    signals = recent(strategy)
    messages = [Message.from_reading(signal.reading) for signal in signals]
    cast = _Cast(account, messages, now, ask=ask)
    told = [
        TimedSignal(message=message, at=signal.due_at, freshness=signal.freshness())
        for signal, message in zip(signals, messages, strict=True)
    ]
    start: dict[Instrument, Holding] = {}
    instrument = scene.symbol.instrument() if scene else None
    if scene is not None and instrument in cast.snapshots:
        start[instrument] = _holding(terms, cast.snapshots[instrument], scene)
    rows = []
    for signal, each, step in zip(signals, told, walk(told, terms, cast.snapshots, start), strict=True):
        if step is None:
            rows.append(Shown(title="", message=each.message, signal=signal, note=cast.why(each.message)))
        else:
            met = tuple(
                f"{str(order.role).replace('_', ' ')} at {_leg_price(order)}" for order in step.protection_filled
            )
            rows.append(replace(_shown("", each.message, step.answer, terms, step.after), signal=signal, met=met))
    return Preview(rows=tuple(reversed(rows)), notes=tuple(cast.notes), unasked=tuple(cast.unasked))


def recent(strategy: Strategy) -> list[Signal]:
    """The last signals that were handed out and were no tests, oldest first."""
    rows = strategy.signals.filter(is_test=False, set_aside="", note="")
    return list(reversed(rows.order_by("-pk")[:LAST]))


@dataclass(frozen=True, slots=True)
class Value:
    """One setting in effect, with where it comes from, for entries and for exits."""

    label: str
    entry: str
    entry_from: str
    exit: str
    exit_from: str


def effective_values(message: Message, terms: Terms, defaults: Terms | None) -> list[Value]:
    """What holds for this signal, setting by setting."""
    legs = [effective(message, terms, leg, strategy=defaults).shown() for leg in (Leg.ENTRY, Leg.EXIT)]
    return [
        Value(label, *_side(name, legs[0], leaves=False), *_side(name, legs[1], leaves=True))
        for name, label in EFFECTIVE.items()
    ]


def _side(name: str, settings: Mapping[str, Chosen[Any]], *, leaves: bool) -> tuple[str, str]:
    """A value with its source, or neither where a leg has no such thing."""
    if name in (_OF_ENTRIES if leaves else _OF_EXITS):
        return "", ""
    chosen = settings[name]
    return _effective(name, chosen.value, leaves=leaves), str(chosen.source)


def _effective(name: str, value: Any, *, leaves: bool) -> str:
    if name == "quantity" and value is None:
        return "all of it" if leaves else "none: it would be rejected"
    if value is None:
        return "the market's" if name in {"limit_price", "stop_price"} else "none"
    return said({"extended_hours": "outside_rth"}.get(name, name), value)


class _Cast:
    """The account and the contracts that some messages are about, as far as the book knows them."""

    def __init__(
        self, account: BrokerageAccount | None, messages: Iterable[Message], now: datetime, *, ask: bool
    ) -> None:
        instruments = list(dict.fromkeys(m.instrument for m in messages if m.instrument is not None))
        wanted = [(account, instrument) for instrument in instruments] if account is not None else []
        self.notes: list[str] = []
        self.unasked: list[str] = []
        self._unknown: dict[Instrument, str] = {}
        self.snapshots: dict[Instrument, Snapshot] = {}
        book = live_book.load(wanted, now, ask=ask)
        for instrument in instruments:
            self._look(account, instrument, book, now)

    def snapshot(self, message: Message) -> Snapshot | None:
        return self.snapshots.get(message.instrument) if message.instrument is not None else None

    def why(self, message: Message) -> str:
        """Why there is no snapshot for it."""
        if message.instrument is None:
            one, many, _ = WORDS[message.symbol.kind]
            return (
                f"{message.symbol.name} is {one}, and Halyard does not trade {many} at IBKR. Nothing would be ordered."
            )
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
            self._unknown[instrument] = (
                f"IBKR was never asked about {instrument.ticker} here, so its multiplier is unknown."
            )
            return
        tick = plain(contract.tick)
        self.notes.append(
            f"IBKR was never asked about {instrument.ticker} here: prices in {contract.currency} and steps of {tick} are assumed."
        )
        self.snapshots[instrument] = _without_book(account, contract, now)


def _assumed(instrument: Instrument) -> Contract | None:
    match instrument.asset_class:
        case AssetClass.STOCK:
            return Contract(instrument=instrument, conid=0)
        case AssetClass.FOREX:
            return Contract(instrument=instrument, conid=0, currency=instrument.ticker[3:], tick=_PAIR_TICK)
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


def _holding(terms: Terms, snapshot: Snapshot, scene: Scene) -> Holding:
    action = Action.BUY if scene.position > 0 else Action.SELL
    return holding_under(terms, snapshot, scene.position, scene.price, Message(action=action, symbol=scene.symbol))


def _shown(title: str, message: Message, answer: Plan | Rejection, terms: Terms, after: Holding) -> Shown:
    if isinstance(answer, Rejection):
        return Shown(
            title=title,
            message=message,
            status="rejected",
            rule=answer.rule,
            code=answer.code,
            reason=answer.reason,
            held=held(after, message),
        )
    return Shown(
        title=title,
        message=message,
        status="accepted" if terms.auto_submit else "proposed",
        rule=answer.rule,
        reason=answer.reason,
        orders=lines(answer.intents, answer.estimates),
        cancels=answer.cancels,
        resizes=answer.resizes,
        held=held(after, message),
    )


def held(holding: Holding, message: Message) -> str:
    """ "long 10 at 100, stop loss at 95"; nothing where nothing is held."""
    if not holding.position:
        return "flat"
    side = "long" if holding.position > 0 else "short"
    average = f" at {plain(round(holding.average, 6))}" if holding.average is not None else ""
    legs = ", ".join(f"{str(order.role).replace('_', ' ')} {_leg_price(order)}" for order in holding.working)
    return f"{side} {plain(abs(holding.position))}{average}" + (f", {legs}" if legs else "")


def _leg_price(order: WorkingOrder) -> str:
    if order.trail_percent is not None:
        return f"trailing by {plain(order.trail_percent)} %"
    if order.trail_amount is not None:
        return f"trailing by {plain(order.trail_amount)}"
    price = order.stop_price if order.stop_price is not None else order.limit_price
    return "" if price is None else plain(price)


def in_words(message: Message) -> str:
    """A signal in one line: "sell 10 SPY at 100, sentiment bearish"."""
    parts = [str(message.action)]
    if message.target_quantity is not None:
        parts.append(f"to a position of {plain(message.target_quantity)}")
    if message.quantity is not None:
        of = {
            "percent_of_position": " % of the position",
            "percent_of_equity": " % of the equity",
            "risk_percent": " % at risk",
            "dollar_amount": " in money",
            "risk_dollar_amount": " at risk",
        }
        parts.append(plain(message.quantity) + of.get(message.quantity_type, ""))
    parts.append(message.symbol.name)
    if message.signal_price is not None:
        parts.append(f"at {plain(message.signal_price)}")
    if message.order.type:
        parts.append(f"as {message.order.type.replace('_', ' ')}")
    text = " ".join(parts)
    return text if message.sentiment is None else f"{text}, sentiment {message.sentiment}"


def scene_price(account: BrokerageAccount | None, symbol: Symbol, now: datetime) -> Decimal | None:
    """The last price the book knows, to start an example from."""
    instrument = symbol.instrument()
    if account is None or instrument is None:
        return None
    lookup = live_book.load([(account, instrument)], now, ask=False).lookups.get(
        (account.connection_id, str(instrument.asset_class), instrument.ticker)
    )
    return None if lookup is None else lookup.last
