"""Charts as the wire shows them: bars, and what a chart needs to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.market.bars import Length, length, spans, unbroken
from brokers.simulator.market.market import Bar

_STAMP = "%Y%m%d-%H:%M:%S"
SERVER = "20477"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRequest:
    """A request for a chart, in the client's own spelling."""

    period: str
    bar: str
    until: str = ""
    outside: bool = False


def chart(
    gateway: Gateway, instrument: Instrument, request: ChartRequest, *, server: str = SERVER
) -> dict[str, Any] | None:
    """A chart up to a moment; None when its period, bar or end cannot be read."""
    now = gateway.clock()
    period, bar, until = length(request.period), length(request.bar), _until(request.until, now)
    if period is None or bar is None or until is None:
        return None
    if gateway.behaviour.market_always_open:
        covered = unbroken(until, period, bar)
    else:
        covered = spans(instrument, until, period, bar, extended=request.outside)
    bars = gateway.market.bars(instrument.conid, covered)
    return _head(instrument, request, bar, bars, now) | {"serverId": server} | _bars(bars)


def _until(text: str, now: float) -> float | None:
    """When the period ends: at the requested time, at most now; None where that is not a time."""
    if not text:
        return now
    try:
        moment = datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return min(moment, now)


def _bars(bars: list[Bar]) -> dict[str, Any]:
    data = [
        {
            "o": float(prices[0]),
            "c": float(prices[3]),
            "h": float(prices[1]),
            "l": float(prices[2]),
            "v": float(volume),
            "t": int(at * 1000),
        }
        for at, prices, volume in bars
    ]
    return {"data": data, "points": max(len(data) - 1, 0), "travelTime": 1}


def _head(instrument: Instrument, request: ChartRequest, bar: Length, bars: list[Bar], now: float) -> dict[str, Any]:
    factor, begin = 10**instrument.digits, bars[0][0] if bars else now
    start = datetime.fromtimestamp(begin, UTC).strftime(_STAMP)

    def extreme(place: int, best: Any) -> str:
        """The highest or lowest price, what was traded then, and after how many minutes, in the chart's own spelling."""
        if not bars:
            return "0/0/0"
        at, prices, volume = best(bars, key=lambda bar: bar[1][place])
        return f"{int(prices[place] * factor)}/{volume}/{int((at - begin) // 60)}"

    return {
        "symbol": instrument.symbol,
        "text": instrument.name,
        "priceFactor": factor,
        "startTime": start,
        "high": extreme(1, max),
        "low": extreme(2, min),
        "timePeriod": request.period,
        "barLength": bar.seconds,
        "mdAvailability": "S",
        "mktDataDelay": 0,
        "outsideRth": request.outside,
        "volumeFactor": 1,
        "priceDisplayRule": 1,
        "priceDisplayValue": "2",
        "negativeCapable": False,
        "messageVersion": 2,
        "chartPanStartTime": start,
        "direction": -1,
    }
