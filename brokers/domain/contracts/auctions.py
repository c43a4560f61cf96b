"""When an order for an auction may leave: in the venue's window, by the sessions of its contract. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from brokers.domain.contracts.rules import Denial
from brokers.domain.orders import TimeInForce
from brokers.domain.trading_hours import Session

ON_OPEN, ON_CLOSE = "on-open-outside-window", "on-close-too-late"
# IBKR says "from the close on" and rejects what comes in the seconds after it: "Exchange is closed".
AFTER_CLOSE = timedelta(minutes=5)
BEFORE_OPEN = timedelta(minutes=2)
BEFORE_CLOSE = timedelta(minutes=15, seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when until when such an order is taken; `opens` None: from now on."""

    opens: datetime | None
    closes: datetime

    def holds(self, now: datetime) -> bool:
        return (self.opens is None or self.opens <= now) and now < self.closes


def window(tif: TimeInForce, regular: Sequence[Session], now: datetime) -> Window | None:
    """The window of the next auction by regular sessions, soonest first; None where they do not reach so far."""
    at = now.timestamp()
    if tif is TimeInForce.OPG:
        opens = next((opens for opens, _ in regular if opens - BEFORE_OPEN.total_seconds() > at), None)
        # While a session is open its own end begins the window; before that the end of the last one did.
        ended = max((closes for begins, closes in regular if opens is not None and closes <= opens), default=None)
        begins = None if ended is None else _moment(ended) + AFTER_CLOSE
        return None if opens is None else Window(opens=begins, closes=_moment(opens) - BEFORE_OPEN)
    closes = next((closes for _, closes in regular if closes > at), None)
    return None if closes is None else Window(opens=None, closes=_moment(closes) - BEFORE_CLOSE)


def denial(tif: TimeInForce, regular: Sequence[Session], zone: str, now: datetime) -> Denial | None:
    """Why an order for an auction is not sent now, with the window that it has to leave in; None where it may."""
    if tif not in {TimeInForce.OPG, TimeInForce.CLS}:
        return None
    span = window(tif, regular, now)
    if span is None or span.holds(now):
        return None
    if tif is TimeInForce.CLS:
        by = _spelled(span.closes, zone)
        reason = f"On-close orders must leave by {by}. Send a market or limit order, or wait for the next session."
        return Denial(code=ON_CLOSE, sentence=reason)
    begins = span.opens or now
    reason = (
        f"On-open orders are taken from {_spelled(begins, zone)} to {_spelled(span.closes, zone)}. Send it then, or"
    )
    return Denial(code=ON_OPEN, sentence=f"{reason} send a limit order for the day.")


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _spelled(at: datetime, zone: str) -> str:
    """ "Tuesday 09:28 New York time"; in UTC where the exchange's zone is not known."""
    if not zone:
        return f"{at:%A %H:%M} UTC"
    return f"{at.astimezone(ZoneInfo(zone)):%A %H:%M} {zone.rpartition('/')[2].replace('_', ' ')} time"
