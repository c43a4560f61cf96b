"""What terms would make of signals, before they are set: examples, and the last signals one after another.

Nothing is stored or sent. Terms, ticker, price and position are the reader's choice; contract and money are the
account's, where they are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from accounts.newest import newest
from brokers.domain.orders import Instrument, Resize
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.display.one_line import describe_holding, describe_message, leg_price
from strategies.domain.decide.walkthrough import Holding, TimedSignal, holding_under, next_trading_time, walk
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.models import Signal, Strategy
from strategies.rehearsal.contracts import KnownContracts
from strategies.rehearsal.dry_run import OrderLine, lines
from strategies.rehearsal.scenes import Scene, example_messages

LAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRow:
    """One signal and what becomes of it. `note` says why there is no answer."""

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
        return describe_message(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The answers, and what had to be assumed for them. `unasked`: instruments IBKR was never asked about here."""

    rows: tuple[PreviewRow, ...]
    at: datetime | None = None
    notes: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def examples(
    terms: Terms, account: BrokerageAccount | None, scene: Scene, now: datetime, *, ask: bool = False
) -> Preview:
    """Each example by itself, in the position of the scene, as if it came now or when the terms trade next."""
    messages = example_messages(scene)
    contracts = KnownContracts(account, [message for _, message in messages], now, ask=ask)
    snapshot = next(iter(contracts.snapshots.values()), None)
    at = now if scene.at_once or snapshot is None else next_trading_time(terms, snapshot, now)
    rows = []
    for title, message in messages:
        snapshot, instrument = contracts.snapshot(message), message.instrument
        if snapshot is None or instrument is None:
            rows.append(PreviewRow(title=title, message=message, note=contracts.why_unknown(message)))
            continue
        holding = _holding(terms, snapshot, scene)
        # One walk of one step: the price, the position and its protection are the scene's.
        timed = [TimedSignal(message=message, at=at)]
        step = next(walk(timed, terms, {instrument: snapshot}, {instrument: holding}))
        assert step is not None, "its snapshot is there"
        rows.append(_row(title, message, step.answer, terms, holding))
    return Preview(rows=tuple(rows), at=at, notes=tuple(contracts.notes), unasked=tuple(contracts.unasked))


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
    contracts = KnownContracts(account, messages, now, ask=ask)
    timed = [
        TimedSignal(message=message, at=signal.due_at, freshness=signal.freshness())
        for signal, message in zip(signals, messages, strict=True)
    ]
    start: dict[Instrument, Holding] = {}
    instrument = scene.symbol.instrument() if scene else None
    if scene is not None and instrument in contracts.snapshots:
        start[instrument] = _holding(terms, contracts.snapshots[instrument], scene)
    rows = []
    for signal, message, step in zip(signals, messages, walk(timed, terms, contracts.snapshots, start), strict=True):
        if step is None:
            rows.append(PreviewRow(title="", message=message, signal=signal, note=contracts.why_unknown(message)))
        else:
            met = tuple(
                f"{str(order.role).replace('_', ' ')} at {leg_price(order)}" for order in step.protection_filled
            )
            rows.append(replace(_row("", message, step.answer, terms, step.after), signal=signal, met=met))
    return Preview(rows=tuple(reversed(rows)), notes=tuple(contracts.notes), unasked=tuple(contracts.unasked))


def recent(strategy: Strategy) -> list[Signal]:
    """The last signals that were handed out and were no tests, oldest first."""
    rows = Signal.objects.filter(is_test=False, set_aside="", note="")
    return list(reversed(newest(rows, strategy, "strategy").select_related("strategy")[:LAST]))


def _holding(terms: Terms, snapshot: Snapshot, scene: Scene) -> Holding:
    action = Action.BUY if scene.position > 0 else Action.SELL
    return holding_under(terms, snapshot, scene.position, scene.price, Message(action=action, symbol=scene.symbol))


def _row(title: str, message: Message, answer: Plan | Rejection, terms: Terms, after: Holding) -> PreviewRow:
    if isinstance(answer, Rejection):
        return PreviewRow(
            title=title,
            message=message,
            status="rejected",
            rule=answer.rule,
            code=answer.code,
            reason=answer.reason,
            held=describe_holding(after),
        )
    return PreviewRow(
        title=title,
        message=message,
        status="accepted" if terms.auto_submit else "proposed",
        rule=answer.rule,
        reason=answer.reason,
        orders=lines(answer.intents, answer.estimates),
        cancels=answer.cancels,
        resizes=answer.resizes,
        held=describe_holding(after),
    )
