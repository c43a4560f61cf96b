"""What can be traded: stocks, futures months derived from the date, and currency pairs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from brokers.simulator.catalogue_instrument import Instrument

__all__ = ["Instrument", "everything", "find", "futures", "pair", "pairs", "search", "stocks"]


# symbol, name, listing exchange, typical price, yearly volatility, kind, conid where it is public knowledge
_STOCKS: tuple[tuple[str, str, str, float, float, str, int], ...] = (
    ("AAPL", "APPLE INC", "NASDAQ", 231.0, 0.26, "COMMON", 265598),
    ("MSFT", "MICROSOFT CORP", "NASDAQ", 428.0, 0.24, "COMMON", 0),
    ("NVDA", "NVIDIA CORP", "NASDAQ", 138.0, 0.48, "COMMON", 0),
    ("AMZN", "AMAZON.COM INC", "NASDAQ", 205.0, 0.32, "COMMON", 0),
    ("GOOGL", "ALPHABET INC-CL A", "NASDAQ", 176.0, 0.29, "COMMON", 0),
    ("META", "META PLATFORMS INC-CLASS A", "NASDAQ", 585.0, 0.36, "COMMON", 0),
    ("TSLA", "TESLA INC", "NASDAQ", 342.0, 0.58, "COMMON", 0),
    ("SPY", "SPDR S&P 500 ETF TRUST", "ARCA", 655.0, 0.15, "ETF", 756733),
    ("QQQ", "INVESCO QQQ TRUST SERIES 1", "NASDAQ", 584.0, 0.21, "ETF", 320227571),
    ("IWM", "ISHARES RUSSELL 2000 ETF", "ARCA", 228.0, 0.22, "ETF", 0),
    ("AMD", "ADVANCED MICRO DEVICES", "NASDAQ", 140.0, 0.46, "COMMON", 0),
    ("NFLX", "NETFLIX INC", "NASDAQ", 880.0, 0.36, "COMMON", 0),
    ("INTC", "INTEL CORP", "NASDAQ", 24.5, 0.44, "COMMON", 0),
    ("BA", "BOEING CO/THE", "NYSE", 152.0, 0.35, "COMMON", 0),
    ("DIS", "WALT DISNEY CO/THE", "NYSE", 114.0, 0.27, "COMMON", 0),
    ("JPM", "JPMORGAN CHASE & CO", "NYSE", 246.0, 0.23, "COMMON", 0),
    ("V", "VISA INC-CLASS A SHARES", "NYSE", 311.0, 0.19, "COMMON", 0),
    ("KO", "COCA-COLA CO/THE", "NYSE", 63.5, 0.15, "COMMON", 0),
    ("PEP", "PEPSICO INC", "NASDAQ", 158.0, 0.17, "COMMON", 0),
    ("WMT", "WALMART INC", "NYSE", 90.0, 0.18, "COMMON", 0),
    ("XOM", "EXXON MOBIL CORP", "NYSE", 119.0, 0.23, "COMMON", 0),
    ("CVX", "CHEVRON CORP", "NYSE", 160.0, 0.22, "COMMON", 0),
    ("PFE", "PFIZER INC", "NYSE", 25.6, 0.25, "COMMON", 0),
    ("NKE", "NIKE INC -CL B", "NYSE", 77.0, 0.30, "COMMON", 0),
    ("SBUX", "STARBUCKS CORP", "NASDAQ", 99.0, 0.28, "COMMON", 0),
    ("UBER", "UBER TECHNOLOGIES INC", "NYSE", 71.0, 0.40, "COMMON", 0),
    ("COIN", "COINBASE GLOBAL INC -CLASS A", "NASDAQ", 305.0, 0.80, "COMMON", 0),
    ("PLTR", "PALANTIR TECHNOLOGIES INC-A", "NASDAQ", 65.0, 0.62, "COMMON", 0),
    ("MU", "MICRON TECHNOLOGY INC", "NASDAQ", 102.0, 0.45, "COMMON", 0),
    ("BRK B", "BERKSHIRE HATHAWAY INC-CL B", "NYSE", 476.0, 0.16, "COMMON", 0),
    ("IBM", "INTL BUSINESS MACHINES CORP", "NYSE", 223.0, 0.22, "COMMON", 8314),
    ("CRM", "SALESFORCE INC", "NYSE", 330.0, 0.33, "COMMON", 0),
    ("ORCL", "ORACLE CORP", "NYSE", 190.0, 0.34, "COMMON", 0),
    ("DIA", "SPDR DOW JONES INDUSTRIAL AVERAGE ETF", "ARCA", 443.0, 0.14, "ETF", 0),
    ("GLD", "SPDR GOLD SHARES", "ARCA", 250.0, 0.16, "ETF", 0),
    ("TLT", "ISHARES 20+ YEAR TREASURY BOND ETF", "NASDAQ", 90.5, 0.15, "ETF", 0),
)

# symbol, name, exchange, typical price, volatility, tick, multiplier, contract months
_QUARTERS = (3, 6, 9, 12)
_FUTURES: tuple[tuple[str, str, str, float, float, str, int, tuple[int, ...]], ...] = (
    ("ES", "E-mini S&P 500", "CME", 6560.0, 0.15, "0.25", 50, _QUARTERS),
    ("MES", "Micro E-Mini S&P 500", "CME", 6560.0, 0.15, "0.25", 5, _QUARTERS),
    ("NQ", "E-mini NASDAQ 100", "CME", 23950.0, 0.21, "0.25", 20, _QUARTERS),
    ("MNQ", "Micro E-Mini Nasdaq-100", "CME", 23950.0, 0.21, "0.25", 2, _QUARTERS),
    ("CL", "Light Sweet Crude Oil", "NYMEX", 69.0, 0.34, "0.01", 1000, tuple(range(1, 13))),
    ("GC", "Gold", "COMEX", 2690.0, 0.16, "0.10", 100, (2, 4, 6, 8, 10, 12)),
)

# base, quote, typical price, volatility, tick, conid
_PAIRS: tuple[tuple[str, str, float, float, str, int], ...] = (
    ("EUR", "USD", 1.0850, 0.075, "0.00005", 12087792),
    ("GBP", "USD", 1.2650, 0.080, "0.00005", 12087797),
    ("USD", "JPY", 154.00, 0.095, "0.005", 15016059),
    ("AUD", "USD", 0.6520, 0.095, "0.00005", 0),
    ("USD", "CAD", 1.3950, 0.060, "0.00005", 15016062),
    ("USD", "CHF", 0.8850, 0.075, "0.00005", 12087820),
)

_SYNTHETIC_STOCK = 900_000_000
_FOREIGN_STOCK = 800_000_000
_FUTURE = 500_000_000
_FUTURES_UNDERLYING = 510_000_000
_SYNTHETIC_PAIR = 910_000_000
_CENT = Decimal("0.01")


def _stock(index: int, *, foreign: bool = False) -> Instrument:
    symbol, name, exchange, price, volatility, kind, conid = _STOCKS[index]
    listing = "NASDAQ.NMS" if exchange == "NASDAQ" else exchange
    return Instrument(
        conid=_FOREIGN_STOCK + index if foreign else conid or _SYNTHETIC_STOCK + index,
        symbol=symbol,
        name=name,
        sec_type="STK",
        exchange="MEXI" if foreign else exchange,
        listing="MEXI" if foreign else listing,
        currency="MXN" if foreign else "USD",
        base_price=price * 18.0 if foreign else price,
        increment=_CENT,
        volatility=volatility,
        kind=kind,
        # Listed abroad as well, so that a resolver has to choose; the simulated user may not trade there.
        tradable=not foreign,
    )


def _pair(index: int) -> Instrument:
    base, quote, price, volatility, tick, conid = _PAIRS[index]
    return Instrument(
        conid=conid or _SYNTHETIC_PAIR + index,
        symbol=base,
        name=f"{base}.{quote}",
        sec_type="CASH",
        exchange="IDEALPRO",
        listing="IDEALPRO",
        currency=quote,
        base_price=price,
        increment=Decimal(tick),
        volatility=volatility,
        kind="",
    )


def third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def _business_days_before(day: date, count: int) -> date:
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() < 5
    return day


def last_trading_day(root: str, year: int, month: int) -> date:
    """The month's last day of trading, near enough for a simulated market."""
    if root == "CL":
        previous = date(year, month, 1) - timedelta(days=1)
        return _business_days_before(previous.replace(day=25), 3)
    if root == "GC":
        following = date(year + month // 12, month % 12 + 1, 1)
        return _business_days_before(following, 3)
    return third_friday(year, month)


@lru_cache(maxsize=512)
def _future(index: int, year: int, month: int) -> Instrument:
    symbol, name, exchange, price, volatility, tick, multiplier, _ = _FUTURES[index]
    months_out = (year - 2026) * 12 + month
    return Instrument(
        conid=_FUTURE + index * 10_000 + (year - 2000) * 100 + month,
        symbol=symbol,
        name=name,
        sec_type="FUT",
        exchange=exchange,
        listing=exchange,
        currency="USD",
        # A little carry, so that months have different prices.
        base_price=price * (1 + 0.002 * (months_out % 12)),
        increment=Decimal(tick),
        volatility=volatility,
        multiplier=Decimal(multiplier),
        kind="",
        underlying_conid=_FUTURES_UNDERLYING + index,
        expiry=last_trading_day(symbol, year, month),
    )


_US_STOCKS = tuple(_stock(i) for i in range(len(_STOCKS)))
_FOREIGN = tuple(_stock(i, foreign=True) for i in range(len(_STOCKS)))
_CURRENCIES = tuple(_pair(i) for i in range(len(_PAIRS)))
_BY_CONID = {i.conid: i for i in (*_US_STOCKS, *_FOREIGN, *_CURRENCIES)}
_BY_SYMBOL = {i.symbol: (i, f) for i, f in zip(_US_STOCKS, _FOREIGN, strict=True)}
_FUTURE_INDEX = {row[0]: i for i, row in enumerate(_FUTURES)}


def find(conid: int) -> Instrument | None:
    """The contract with this number, or nothing."""
    if (known := _BY_CONID.get(conid)) is not None:
        return known
    index, rest = divmod(conid - _FUTURE, 10_000)
    year, month = 2000 + rest // 100, rest % 100
    if not 0 <= index < len(_FUTURES) or month not in _FUTURES[index][7]:
        return None
    return _future(index, year, month)


def stocks(symbol: str) -> tuple[Instrument, ...]:
    """The listings of a stock, the home exchange first."""
    return _BY_SYMBOL.get(symbol.upper().replace(".", " "), ())


def futures(root: str, today: date) -> list[Instrument]:
    """The months of a future that still trade, nearest first."""
    index = _FUTURE_INDEX.get(root.upper())
    if index is None:
        return []
    months = _FUTURES[index][7]
    listed = [_future(index, year, month) for year in range(today.year, today.year + 3) for month in months]
    return [f for f in listed if f.expiry is not None and f.expiry >= today][:8]


def pairs(currency: str) -> list[Instrument]:
    """The currency pairs a currency takes part in."""
    return [p for p in _CURRENCIES if currency in (p.symbol, p.currency)]


def pair(base: str, quote: str) -> Instrument | None:
    return next((p for p in _CURRENCIES if (p.symbol, p.currency) == (base, quote)), None)


def search(text: str, today: date) -> list[Instrument]:
    """Contracts whose symbol or company name matches, exact symbols first."""
    wanted = text.upper().strip()
    found: list[Instrument] = list(stocks(wanted))
    found += [p for p in _CURRENCIES if wanted in (p.name, f"{p.symbol}{p.currency}", p.symbol)]
    if wanted in _FUTURE_INDEX:
        found += futures(wanted, today)[:1]
    if not found and len(wanted) > 2:
        found = [i for i in _US_STOCKS if wanted in i.name]
    return found


def everything(today: date) -> list[Instrument]:
    """Every tradable contract of today."""
    return [*_US_STOCKS, *_CURRENCIES, *(f for root in _FUTURE_INDEX for f in futures(root, today))]
