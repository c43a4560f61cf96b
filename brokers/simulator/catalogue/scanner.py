"""Market scans over the shares of the catalogue: what can be asked for, and the best fifty of a ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.catalogue.instrument import Instrument

_MOST_ROWS = 50
_SHARES = "STK"
_PLACE = "STK.US.MAJOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedShare:
    """One share as a scan sees it."""

    instrument: Instrument
    last: Decimal
    change: Decimal
    volume: int


# code -> name, what it ranks by (highest first), and how a figure is shown.
_SCANS: dict[str, tuple[str, Callable[[ScannedShare], Decimal], Callable[[ScannedShare], str]]] = {
    "TOP_PERC_GAIN": ("Top % Gainers", lambda seen: seen.change, lambda seen: f"{seen.change:+.2f}%"),
    "TOP_PERC_LOSE": ("Top % Losers", lambda seen: -seen.change, lambda seen: f"{seen.change:+.2f}%"),
    "MOST_ACTIVE": ("Most Active", lambda seen: Decimal(seen.volume), lambda seen: f"{seen.volume / 1000:.3f}K"),
}
# code -> name, and what a share must be to pass with a value.
_FILTERS: dict[str, tuple[str, Callable[[ScannedShare, Decimal], bool]]] = {
    "priceAbove": ("Price Greater Than", lambda seen, value: seen.last > value),
    "priceBelow": ("Price Less Than", lambda seen, value: seen.last < value),
    "changePercAbove": ("% Change Greater Than", lambda seen, value: seen.change > value),
    "changePercBelow": ("% Change Less Than", lambda seen, value: seen.change < value),
    "volumeAbove": ("Volume Greater Than", lambda seen, value: seen.volume > value),
}


def parameters() -> dict[str, Any]:
    """What a scan may be asked for."""
    return {
        "scan_type_list": [
            {"display_name": name, "code": code, "instruments": [_SHARES]} for code, (name, _, _) in _SCANS.items()
        ],
        "instrument_list": [{"display_name": "US Stocks", "type": _SHARES, "filters": list(_FILTERS)}],
        "filter_list": [
            {"group": name.split(" ")[0].strip("%") or "Change", "display_name": name, "code": code, "type": "range"}
            for code, (name, _) in _FILTERS.items()
        ],
        "location_tree": [
            {
                "display_name": "US Stocks",
                "type": "STK.US",
                "locations": [{"display_name": "US Major", "type": _PLACE, "locations": None}],
            }
        ],
    }


def problem(asked: Any) -> str:
    """What is wrong with a scan; empty when nothing is."""
    if not isinstance(asked, dict):
        return "Bad Request: body can't be empty"
    if asked.get("type") not in _SCANS:
        return "Bad Request: unknown scan type"
    if asked.get("instrument", _SHARES) != _SHARES or asked.get("location", _PLACE) not in {_PLACE, "STK.US"}:
        return "Bad Request: unknown instrument or location"
    filters = asked.get("filter") or []
    if not isinstance(filters, list) or len(filters) > 20 or any(_read(each) is None for each in filters):
        return "Bad Request: unknown filter"
    return ""


def _read(row: Any) -> tuple[str, Decimal] | None:
    if not isinstance(row, dict) or row.get("code") not in _FILTERS:
        return None
    try:
        value = Decimal(str(row.get("value")))
    except InvalidOperation:
        return None
    return (row["code"], value) if value.is_finite() else None


def run(scan: dict[str, Any], shares: Iterable[ScannedShare]) -> dict[str, Any]:
    """The ranking a scan asks for; the scan has passed `problem`."""
    name, rank, show = _SCANS[scan["type"]]
    filters = [read for each in scan.get("filter") or [] if (read := _read(each)) is not None]
    passing = [seen for seen in shares if all(_FILTERS[code][1](seen, value) for code, value in filters)]
    passing.sort(key=lambda seen: (-rank(seen), seen.instrument.symbol))
    rows = [_row(number, seen, show(seen)) for number, seen in enumerate(passing[:_MOST_ROWS])]
    if rows:
        rows[0]["column_name"] = name
    return {"contracts": rows, "scan_data_column_name": name}


def _row(number: int, seen: ScannedShare, figure: str) -> dict[str, Any]:
    instrument = seen.instrument
    return {
        "server_id": str(number),
        "symbol": instrument.symbol,
        "conidex": str(instrument.conid),
        "con_id": instrument.conid,
        "available_chart_periods": "#R|1",
        "company_name": instrument.name,
        "scan_data": figure,
        "contract_description_1": instrument.symbol,
        "listing_exchange": instrument.listing,
        "sec_type": instrument.sec_type,
    }
