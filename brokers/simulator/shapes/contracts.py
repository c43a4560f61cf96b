"""Contracts as the wire shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from brokers.simulator.catalogue import futures, listed, options
from brokers.simulator.catalogue.dates import business_day_before
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.series import series_of

# Several lists of exchanges the broker gives, with different separators.
_SHARES = ("SMART", "AMEX", "NYSE", "CBOE", "ARCA", "NASDAQ", "BATS", "IEX")
_OPTIONS = ("SMART", "AMEX", "BATS", "BOX", "CBOE", "CBOE2", "ISE", "MIAX", "NASDAQOM", "PEARL", "PHLX", "PSE")


def exchanges(instrument: Instrument) -> tuple[str, ...]:
    """Where a contract trades."""
    if instrument.sec_type == "STK" and instrument.tradable:
        return _SHARES if instrument.currency == "USD" else ("SMART", instrument.exchange)
    return _OPTIONS if instrument.sec_type == "OPT" else (instrument.exchange,)


def month_name(month: date) -> str:
    """A month as requests name it: JAN27."""
    return f"{month:%b%y}".upper()


def company(listings: Sequence[Instrument]) -> dict[str, Any]:
    """A company and its listings, as in trsrv/stocks."""
    home = listings[0]
    return {
        "name": home.name,
        "chineseName": home.name.title(),
        "assetClass": "STK",
        "contracts": [{"conid": i.conid, "exchange": i.exchange, "isUS": i.currency == "USD"} for i in listings],
    }


def future_month(future: Instrument) -> dict[str, Any]:
    """One month, as in trsrv/futures."""
    day = int(f"{future.expiry:%Y%m%d}")
    return {
        "symbol": future.symbol,
        "conid": future.conid,
        "underlyingConid": future.underlying_conid,
        "expirationDate": day,
        "ltd": day,
        "shortFuturesCutOff": day,
        "longFuturesCutOff": int(f"{business_day_before(future.notice, 1):%Y%m%d}") if future.notice else day,
    }


def increments(instrument: Instrument) -> list[dict[str, float]]:
    """The ticks by the price they count from."""
    bands = instrument.bands or ((0, instrument.increment),)
    return [{"lowerEdge": float(edge), "increment": float(tick)} for edge, tick in bands]


def definition(instrument: Instrument) -> dict[str, Any]:
    """One contract, as in trsrv/secdef."""
    expiry = f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None
    derived = instrument.sec_type in {"FUT", "OPT", "FOP"}
    steps = [
        {"decimalDigits": instrument.digits, "lowerEdge": band["lowerEdge"], "wholeDigits": 4}
        for band in increments(instrument)
    ]
    return {
        "incrementRules": increments(instrument),
        "displayRule": {"magnification": 0, "displayRuleStep": steps},
        "conid": instrument.conid,
        "currency": instrument.currency,
        "time": 1,
        "chineseName": instrument.name,
        "allExchanges": ",".join(exchanges(instrument)),
        "listingExchange": instrument.exchange,
        "countryCode": "US",
        "name": instrument.name,
        "assetClass": instrument.sec_type,
        "expiry": expiry,
        "lastTradingDay": expiry,
        "group": None,
        "putOrCall": instrument.right or None,
        "sector": None,
        "sectorGroup": None,
        "strike": f"{instrument.strike.normalize():f}",
        "ticker": instrument.symbol,
        "undConid": instrument.underlying_conid,
        "multiplier": float(instrument.multiplier) if derived else 0.0,
        "type": instrument.kind,
        "hasOptions": bool(series_of(instrument.conid)),
        "fullName": instrument.described,
        "isUS": instrument.currency == "USD",
        "isEventContract": False,
    }


def info(instrument: Instrument) -> dict[str, Any]:
    """One contract, as in iserver/contract/{conid}/info."""
    month = f"{instrument.month:%Y%m}" if instrument.month else None
    smart = instrument.sec_type in {"STK", "OPT", "CFD"} and instrument.tradable
    derived = instrument.sec_type in {"FUT", "OPT", "FOP"}
    body: dict[str, Any] = {
        "cfi_code": "",
        "symbol": instrument.symbol,
        "cusip": None,
        "expiry_full": month,
        "con_id": instrument.conid,
        "maturity_date": f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None,
        "instrument_type": instrument.sec_type,
        "has_related_contracts": instrument.sec_type in {"STK", "IND", "FUT"},
        "trading_class": instrument.trading_class or instrument.symbol,
        "valid_exchanges": ",".join(exchanges(instrument)),
        "allow_sell_long": False,
        "is_zero_commission_security": False,
        "local_symbol": instrument.local_symbol,
        "contract_clarification_type": None,
        "classifier": None,
        "currency": instrument.currency,
        "text": instrument.described if instrument.is_option else None,
        "underlying_con_id": instrument.underlying_conid,
        "r_t_h": instrument.sec_type == "STK",
        "multiplier": f"{instrument.multiplier.normalize():f}" if derived else None,
        "underlying_issuer": None,
        "contract_month": month,
        "company_name": instrument.name,
        "smart_available": smart,
        "exchange": "SMART" if smart else instrument.exchange,
    }
    if instrument.is_option:
        body |= {"strike": float(instrument.strike), "right": instrument.right}
    return body


def secdef_row(instrument: Instrument) -> dict[str, Any]:
    """One contract, as in secdef/info."""
    row: dict[str, Any] = {
        "conid": instrument.conid,
        "symbol": instrument.symbol,
        "ticker": instrument.symbol,
        "secType": instrument.sec_type,
        "listingExchange": instrument.listing.removesuffix(".NMS"),
        "exchange": "SMART" if instrument.sec_type in {"STK", "OPT", "CFD"} else instrument.exchange,
        "companyName": instrument.name,
        "currency": instrument.currency,
        "validExchanges": ",".join(exchanges(instrument)),
        "priceRendering": None,
        "maturityDate": f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None,
        "right": instrument.right or "?",
        "strike": float(instrument.strike),
        "tradingClass": instrument.trading_class or instrument.symbol,
    }
    if instrument.expiry is not None:
        row |= {"multiplier": f"{instrument.multiplier.normalize():f}", "desc2": f"({row['maturityDate']})"}
    return row


def search_row(instrument: Instrument, today: date) -> dict[str, Any]:
    """One match of secdef/search: a contract and the derivatives on it."""
    venue = instrument.listing.removesuffix(".NMS")
    sections, fop, opt = _sections(instrument, today)
    return {
        "conid": str(instrument.conid),
        "companyHeader": f"{instrument.name} - {venue}",
        "companyName": instrument.name,
        "symbol": instrument.symbol,
        "description": venue,
        "restricted": None,
        "fop": fop,
        "opt": opt,
        "war": None,
        "sections": sections,
    }


def _sections(instrument: Instrument, today: date) -> tuple[list[dict[str, Any]], str | None, str | None]:
    own: dict[str, Any] = {"secType": instrument.sec_type}
    if not instrument.tradable:
        own["exchange"] = f"{instrument.exchange};"
    sections, fop, opt = [own], None, None
    if instrument.kind == "FUT":
        months = futures.months_behind(instrument, today)
        named = ";".join(month_name(each.month) for each in months if each.month)
        sections.append({"secType": "FUT", "months": named, "exchange": f"{instrument.exchange};"})
    if ends := options.months(instrument.conid, today):
        kind = "FOP" if instrument.kind == "FUT" else "OPT"
        venues = instrument.exchange if kind == "FOP" else ";".join(_OPTIONS)
        sections.append({"secType": kind, "months": ";".join(map(month_name, ends)), "exchange": venues})
        days = ";".join(f"{day:%Y%m%d}" for day in options.expirations(instrument.conid, today))
        fop, opt = (days, None) if kind == "FOP" else (None, days)
    if (cfd := listed.cfd_on(instrument)) is not None:
        sections.append({"secType": "CFD", "exchange": "SMART", "conid": str(cfd.conid)})
    if len(sections) > 1:
        sections.append({"secType": "BAG"})
    return sections, fop, opt
