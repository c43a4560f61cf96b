"""Signals that came too late to be handed out: expired while delayed, or overtaken by newer ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from brokers.domain.tickers import MONTH_CODES
from strategies.domain.message.freshness import target_aim, undoes
from strategies.domain.message.message import Message
from strategies.domain.message.options import SaidOfOption, in_line_as, may_be_one, said_of_option
from strategies.models import Signal, Strategy


def without_superseded(signals: Sequence[Signal], now: datetime) -> list[Signal]:
    """The signals to decide on; those that expired while delayed or would undo a newer one are set aside."""
    timed = [signal for signal in signals if signal.signal_time is not None and not signal.is_test]
    newer = _dispatched_since(timed)
    remaining: list[Signal] = []
    for signal in signals:
        expires = Message.from_reading(signal.reading).expires_at if signal.not_before else None
        if expires is not None and expires <= now:
            _set_aside(
                signal, "expired-signal", f"It expired at {expires:%H:%M:%S} UTC, before its delay was over.", now
            )
            continue
        at = signal.signal_time
        if at is not None and not signal.is_test:
            dispatched = newer[(signal.strategy_id, in_line_as(signal.ticker))]
            mine = _Dispatched(at, _aim(signal), said_of_option(signal.reading))
            if reason := _undone(mine, dispatched):
                _set_aside(signal, "superseded-signal", reason, now)
                continue
            dispatched.append(mine)
        remaining.append(signal)
    return remaining


@dataclass(frozen=True, slots=True)
class _Dispatched:
    """A signal handed out before: its own time, its action and its sentiment, and what it says of an option."""

    at: datetime
    aim: tuple[str, str | None]
    option: SaidOfOption | None = None


def _aim(signal: Signal) -> tuple[str, str | None]:
    """Its action and its sentiment; a target is an aim of its own, and that of zero is flat."""
    target = signal.reading.get("target_quantity")
    if target is None:
        return signal.action, signal.reading.get("sentiment")
    return signal.action, target_aim(Decimal(target))


def _undone(mine: _Dispatched, dispatched: Sequence[_Dispatched]) -> str:
    """Why a signal comes too late behind those handed out; empty when it does not."""
    undone = (each for each in dispatched if each.at > mine.at and undoes(mine.aim, each.aim))
    later = next((each for each in undone if may_be_one(mine.option, each.option)), None)
    if later is None:
        return ""
    return (
        f"By its own time it is older than a {later.aim[0]} of {later.at:%H:%M:%S} UTC that came before it, "
        "and an older signal never undoes a newer one."
    )


def reason_superseded(strategy: Strategy, message: Message) -> str:
    """Why a message would be set aside if it came now, since a newer one was handed out before it; empty if none was."""
    if message.signal_time is None or message.test:
        return ""
    reading = message.reading()
    signal = Signal(strategy=strategy, ticker=message.symbol.name, signal_time=message.signal_time, reading=reading)
    dispatched = _dispatched_since([signal])[(strategy.pk, in_line_as(signal.ticker))]
    sentiment = message.sentiment if message.target_quantity is None else target_aim(message.target_quantity)
    aim = (str(message.action), sentiment)
    return _undone(_Dispatched(message.signal_time, aim, said_of_option(reading)), dispatched)


def _dispatched_since(signals: Sequence[Signal]) -> dict[tuple[int, str], list[_Dispatched]]:
    """Signals already handed out, by strategy and the name under which they stand in line: those whose own time is after
    the oldest of `signals`."""
    dispatched: dict[tuple[int, str], list[_Dispatched]] = defaultdict(list)
    if not signals:
        return dispatched
    tickers = Q(ticker__in={signal.ticker for signal in signals})
    options = {signal.ticker for signal in signals if said_of_option(signal.reading) is not None}
    # Both spellings of a class share: BRK.B and BRKB stand in one line.
    for share in {spelled for ticker in options for spelled in _spellings(ticker)}:
        # Whatever says nothing of the contract may mean any of those on its share.
        tickers |= Q(ticker=share) | Q(ticker__startswith=f"{share} ")
    for root in {each[:-1] for each in map(in_line_as, options) if each.endswith("!")}:
        # Options on all months of a future stand in one line.
        tickers |= Q(ticker__startswith=root, ticker__regex=rf"^{root}([{MONTH_CODES}][0-9]{{4}})? ")
    rows = Signal.objects.filter(
        tickers,
        strategy__in={signal.strategy_id for signal in signals},
        signal_time__gt=min(signal.signal_time for signal in signals if signal.signal_time is not None),
        set_aside="",
        dispatched_at__isnull=False,
        is_test=False,
    )
    for row in rows.only("strategy_id", "ticker", "signal_time", "action", "reading"):
        if row.signal_time is not None:
            handed_out = _Dispatched(row.signal_time, _aim(row), said_of_option(row.reading))
            dispatched[(row.strategy_id, in_line_as(row.ticker))].append(handed_out)
    return dispatched


def _spellings(ticker: str) -> set[str]:
    """The share that an option's ticker is on, as it is spelled and as `in_line_as` does; with a class's point as well."""
    share = in_line_as(ticker)
    return {share, ticker.partition(" ")[0], f"{share[:-1]}.{share[-1]}"}


def _set_aside(signal: Signal, code: str, note: str, now: datetime) -> None:
    Signal.objects.filter(pk=signal.pk).update(set_aside=code, note=note[:300], dispatched_at=now)
