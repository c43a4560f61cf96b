"""The fields of a quote as snapshots and the websocket show them: numbers for names, text for values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from brokers.simulator.catalogue import options
from brokers.simulator.catalogue.hours import local_day
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.market.quotes import DayStats, Quote
from brokers.simulator.shapes.contracts import exchanges, month_name

_REAL_TIME, _FROZEN = "RpB", "ZpB"
# As many shares as anybody wants, and what they cost a year.
_PLENTY, _BORROW_RATE = Decimal(10_000_000), "0.25%"
_GREEKS = frozenset({"7308", "7309", "7310", "7311", "7633"})


def quote_fields(gateway: Gateway, instrument: Instrument, codes: Sequence[str]) -> dict[str, str]:
    """The asked-for fields of a contract, all of them text."""
    now = gateway.clock()
    quote, day = gateway.quote(instrument.conid), gateway.market.day(instrument.conid, now)
    if quote is None or day is None:
        return {}
    frozen = gateway.market.is_frozen(instrument, now)
    known = _prices(instrument, quote, day, yesterday=frozen and _is_over(gateway, instrument, now))
    known |= _facts(instrument)
    if instrument.sec_type == "STK":
        known |= _borrowed(gateway, instrument)
    if not _GREEKS.isdisjoint(codes) and instrument.is_option:
        known |= _greeks(gateway, instrument, now)
    if "7283" in codes or "7087" in codes:
        implied = gateway.market.implied(instrument.conid, instrument.volatility, now)
        known |= {"7283": f"{implied:.1%}", "7087": f"{instrument.volatility:.1%}"}
    if "6072" in codes or "6073" in codes:
        known |= _months(gateway, instrument)
    fields = {name: known[name] for name in codes if name in known}
    fields["6509"] = _FROZEN if frozen else _REAL_TIME
    return fields


def _is_over(gateway: Gateway, instrument: Instrument, now: float) -> bool:
    """Whether the last session was on another day, so that its last price is a former day's close."""
    return local_day(instrument, gateway.market.alive(instrument, now)) != local_day(instrument, now)


def _prices(instrument: Instrument, quote: Quote, day: DayStats, *, yesterday: bool) -> dict[str, str]:
    digits = instrument.digits_at(quote.last)

    def price(value: Decimal) -> str:
        return f"{value:.{digits}f}"

    change = quote.last - day.prior_close
    shown = {
        "31": f"C{price(quote.last)}" if yesterday else price(quote.last),
        "70": price(day.high),
        "71": price(day.low),
        "82": price(change),
        "83": f"{change / day.prior_close * 100:.2f}%" if day.prior_close else "0.00%",
        "87": str(day.volume),
        "7295": price(day.open),
        "7296": price(quote.last if yesterday else day.prior_close),
        "7635": price(
            quote.mid.quantize(min(instrument.increment, instrument.tick(quote.mid)))
            if instrument.sec_type != "IND"
            else quote.last
        ),
        "7682": price(quote.last - day.open),
        "7741": price(day.prior_close),
        "7762": str(day.volume),
    }
    if instrument.sec_type != "IND":
        # Nobody bids for an index.
        lot = "100" if instrument.sec_type == "STK" else "1"
        shown |= {"84": price(quote.bid), "85": str(quote.ask_size), "86": price(quote.ask), "88": str(quote.bid_size)}
        shown["7059"] = lot
    return shown


def _borrowed(gateway: Gateway, instrument: Instrument) -> dict[str, str]:
    """How many shares can be borrowed, at which rate, and how hard it is."""
    can = gateway.engine.shortable.get(instrument.conid, _PLENTY)
    return {"7636": f"{can:f}", "7637": _BORROW_RATE, "7644": "Shortable" if can else "Not shortable"}


def _facts(instrument: Instrument) -> dict[str, str]:
    facts = {
        "55": instrument.symbol,
        "58": instrument.name,
        "6004": exchanges(instrument)[0],
        "6008": str(instrument.conid),
        "6070": instrument.sec_type,
        "6119": "q0",
        "6457": str(instrument.underlying_conid),
        "7051": instrument.name,
        "7094": f"{instrument.conid}@{exchanges(instrument)[0]}",
        "7184": "1" if instrument.tradable else "0",
        "7219": instrument.described,
        "7220": instrument.described,
        "7221": instrument.listing,
        "7768": "1" if instrument.tradable else "0",
    }
    if instrument.expiry is not None:
        facts["7714"] = f"{instrument.expiry:%Y%m%d}"
    return facts


def _greeks(gateway: Gateway, option: Instrument, now: float) -> dict[str, str]:
    greeks = gateway.market.greeks(option, now)
    return {
        "7308": f"{greeks.delta:.3f}",
        "7309": f"{greeks.gamma:.4f}",
        "7310": f"{greeks.theta:.3f}",
        "7311": f"{greeks.vega:.3f}",
        "7633": f"{greeks.volatility:.1%}",
    }


def _months(gateway: Gateway, instrument: Instrument) -> dict[str, str]:
    listed = options.months(instrument.conid, gateway.today())
    days = options.expirations(instrument.conid, gateway.today())
    if not listed:
        return {}
    return {"6072": ";".join(map(month_name, listed)), "6073": ";".join(f"{day:%Y%m%d}" for day in days)}
