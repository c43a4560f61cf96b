"""What the tables list one by one: shares and their listings abroad, indices, currency pairs, contracts for difference."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache, lru_cache

from brokers.simulator.catalogue import tables
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.tables import Row

FUTURES_UNDERLYING = 510_000_000
# What a CFD is on that trades as pairs do.
METAL = "CMDTY"
_SHARE_CFD = 700_000_000
_NAMED_CFD = 700_900_000
_PAIR_CFD = 700_950_000
_FOREIGN_STOCK = 800_000_000
_LISTED_ABROAD = 880_000_000
_NAMESAKE = 890_000_000
_SYNTHETIC_STOCK = 900_000_000
_SYNTHETIC_PAIR = 910_000_000
_CENT = Decimal("0.01")
# Shares below one dollar are priced to a hundredth of a cent.
_SHARE_BANDS = ((Decimal(0), Decimal("0.0001")), (Decimal(1), _CENT))
_PESOS = 18.0


def stock_conid(row: Row) -> int:
    return int(row["conid"] or _SYNTHETIC_STOCK + int(row["number"]))


def _pair_conid(row: Row) -> int:
    return int(row["conid"] or _SYNTHETIC_PAIR + int(row["number"]))


@cache
def _leaders() -> dict[str, int]:
    """Whose walk a row may follow: an index, a pair or a commodity, by name."""
    # Of products that share a symbol, the first is followed.
    roots = {row["symbol"]: FUTURES_UNDERLYING + int(row["number"]) for row in reversed(tables.read("futures"))}
    pairs = {f"{row['base']}.{row['quote']}": _pair_conid(row) for row in tables.read("pairs")}
    return roots | pairs | {row["symbol"]: int(row["conid"]) for row in tables.read("indices")}


def walks(row: Row) -> tuple[tuple[int, float], ...]:
    """The walk a row follows; with a minus it goes the other way, as one over a pair does."""
    name = row["follows"]
    if not name:
        return ()
    weight = float(row["volatility"])
    return ((_leaders()[name.removeprefix("-")], -weight if name.startswith("-") else weight),)


def _stock(row: Row) -> Instrument:
    exchange = row["exchange"]
    return Instrument(
        conid=stock_conid(row),
        symbol=row["symbol"],
        name=row["name"],
        sec_type="STK",
        exchange=exchange,
        listing="NASDAQ.NMS" if exchange == "NASDAQ" else exchange,
        currency="USD",
        base_price=float(row["price"]),
        increment=_CENT,
        bands=_SHARE_BANDS,
        volatility=float(row["volatility"]),
        kind=row["kind"],
        trading_class="NMS" if exchange == "NASDAQ" else row["symbol"],
        walks=walks(row),
    )


@lru_cache(maxsize=1024)
def _abroad(number: int) -> Instrument:
    """A share listed abroad as well, so that a resolver has to choose; the simulated user may not trade there."""
    home = _stock(tables.read("stocks")[number])
    return Instrument(
        conid=_FOREIGN_STOCK + number,
        symbol=home.symbol,
        name=home.name,
        sec_type="STK",
        exchange="MEXI",
        listing="MEXI",
        currency="MXN",
        base_price=home.base_price * _PESOS,
        increment=_CENT,
        volatility=home.volatility,
        kind=home.kind,
        trading_class=home.symbol,
        tradable=False,
        walks=home.walks or ((home.conid, home.volatility),),
    )


@lru_cache(maxsize=1024)
def _share_cfd(number: int) -> Instrument:
    # As it is listed since a split.
    home = STOCKS[tables.read("stocks")[number]["symbol"]]
    return Instrument(
        conid=_SHARE_CFD + number,
        symbol=home.symbol,
        name=home.name,
        sec_type="CFD",
        exchange="SMART",
        listing="SMART",
        currency="USD",
        base_price=home.base_price,
        increment=_CENT,
        volatility=home.volatility,
        kind="CFD",
        trading_class=home.symbol,
        underlying_conid=home.conid,
        underlying_type="STK",
    )


def _namesake(row: Row) -> Instrument:
    """A company that shares its symbol with another one, so that somebody has to say which is meant."""
    return _company(row, conid=_NAMESAKE + int(row["number"]), currency="USD", increment=_CENT, bands=_SHARE_BANDS)


def _listed_abroad(row: Row) -> Instrument:
    """A share that is traded abroad, in the currency, the steps and the hours of its exchange."""
    bands = tuple((Decimal(edge), Decimal(tick)) for edge, tick in (each.split(":") for each in row["ticks"].split()))
    conid = _LISTED_ABROAD + int(row["number"])
    made = _company(row, conid=conid, currency=row["currency"], increment=bands[-1][1], bands=bands)
    # In London prices are in pence and money is in pounds.
    multiplier = Decimal("0.01") if row["unit"] else made.multiplier
    return replace(made, multiplier=multiplier, lot=int(row["lot"] or 1))


def _company(
    row: Row, *, conid: int, currency: str, increment: Decimal, bands: tuple[tuple[Decimal, Decimal], ...]
) -> Instrument:
    """A share of a table that names its exchange."""
    return Instrument(
        conid=conid,
        symbol=row["symbol"],
        name=row["name"],
        sec_type="STK",
        exchange=row["exchange"],
        listing=row["exchange"],
        currency=currency,
        base_price=float(row["price"]),
        increment=increment,
        bands=bands,
        volatility=float(row["volatility"]),
        trading_class=row["symbol"],
    )


def _index(row: Row) -> Instrument:
    return Instrument(
        conid=int(row["conid"]),
        symbol=row["symbol"],
        name=row["name"],
        sec_type="IND",
        exchange=row["exchange"],
        listing=row["exchange"],
        currency="USD",
        base_price=float(row["price"]),
        increment=_CENT,
        volatility=float(row["volatility"]),
        kind="",
        trading_class=row["symbol"],
        tradable=False,
    )


def _named_cfd(row: Row) -> Instrument:
    """On an index, or on a metal, whose price follows that of its futures."""
    followed, index = row["follows"], INDICES.get(row["follows"])
    leader = next(each for each in tables.read("indices" if index else "futures") if each["symbol"] == followed)
    return Instrument(
        conid=_NAMED_CFD + int(row["number"]),
        symbol=row["symbol"],
        name=row["name"],
        sec_type="CFD",
        exchange=row["exchange"],
        listing=row["exchange"],
        currency=row["currency"],
        base_price=float(leader["price"]),
        increment=Decimal(row["tick"]),
        volatility=float(leader["volatility"]),
        kind="CFD",
        trading_class=row["symbol"],
        underlying_conid=index.conid if index else FUTURES_UNDERLYING + int(leader["number"]),
        underlying_type="IND" if index else METAL,
    )


def _pair_cfd(number: int, pair: Instrument) -> Instrument:
    return replace(
        pair,
        conid=_PAIR_CFD + number,
        sec_type="CFD",
        exchange="SMART",
        listing="SMART",
        kind="CFD",
        underlying_conid=pair.conid,
        underlying_type="CASH",
        walks=(),
    )


def _pair(row: Row) -> Instrument:
    base, quote = row["base"], row["quote"]
    price = float(row["price"])
    moved: tuple[tuple[int, float], ...] = ()
    if "USD" not in {base, quote}:
        # A cross is what its two pairs with the dollar make it, so that no circle of trades earns anything.
        (price_base, walk_base), (price_quote, walk_quote) = _dollars(base), _dollars(quote)
        price = price_base / price_quote
        moved = (walk_base, (walk_quote[0], -walk_quote[1]))
    return Instrument(
        conid=_pair_conid(row),
        symbol=base,
        name=f"{base}.{quote}",
        sec_type="CASH",
        exchange="IDEALPRO",
        listing="IDEALPRO",
        currency=quote,
        base_price=price,
        increment=Decimal(row["tick"]),
        volatility=float(row["volatility"]),
        kind="",
        trading_class=f"{base}.{quote}",
        walks=moved,
    )


def _dollars(currency: str) -> tuple[float, tuple[int, float]]:
    """What a currency is worth in dollars, and the walk that moves it."""
    for row in tables.read("pairs"):
        price, volatility = float(row["price"]), float(row["volatility"])
        if (row["base"], row["quote"]) == (currency, "USD"):
            return price, (_pair_conid(row), volatility)
        if (row["base"], row["quote"]) == ("USD", currency):
            return 1 / price, (_pair_conid(row), -volatility)
    raise ValueError(f"No pair turns {currency} into dollars.")


STOCKS = {row["symbol"]: _stock(row) for row in tables.read("stocks")}
INDICES = {row["symbol"]: _index(row) for row in tables.read("indices")}
PAIRS = tuple(_pair(row) for row in tables.read("pairs"))
NAMED_CFDS = tuple(_named_cfd(row) for row in tables.read("cfds"))
PAIR_CFDS = {pair.conid: _pair_cfd(number, pair) for number, pair in enumerate(PAIRS)}
_NUMBERS = {row["symbol"]: int(row["number"]) for row in tables.read("stocks")}
NAMESAKES = tuple(_namesake(row) for row in tables.read("namesakes"))
ABROAD = tuple(_listed_abroad(row) for row in tables.read("abroad"))
_CFDS = (*NAMED_CFDS, *PAIR_CFDS.values())
_FIXED = {i.conid: i for i in (*STOCKS.values(), *INDICES.values(), *PAIRS, *_CFDS, *NAMESAKES, *ABROAD)}


def find(conid: int) -> Instrument | None:
    """The listed contract with this number."""
    if (known := _FIXED.get(conid)) is not None:
        return known
    for first, make in ((_FOREIGN_STOCK, _abroad), (_SHARE_CFD, _share_cfd)):
        if 0 <= conid - first < len(_NUMBERS):
            return make(conid - first)
    return None


def relist(share: Instrument) -> None:
    """Let a share at home be listed like this from now on; its number may be a new one, and the old one stays known."""
    _FIXED[share.conid] = STOCKS[share.symbol] = share
    _share_cfd.cache_clear()


def stock(symbol: str) -> Instrument | None:
    """A share by its symbol; a blank or a dot stands before its class."""
    return STOCKS.get(symbol.upper().replace(".", " "))


def listings(symbol: str) -> tuple[Instrument, ...]:
    """The listings of a share, the home exchange first."""
    home = stock(symbol)
    named_alike = tuple(each for each in (*NAMESAKES, *ABROAD) if each.symbol == symbol.upper())
    return named_alike if home is None else (home, _abroad(_NUMBERS[home.symbol]), *named_alike)


def cfd_of(symbol: str) -> Instrument | None:
    """The contract for difference on a share."""
    home = stock(symbol)
    return None if home is None else _share_cfd(_NUMBERS[home.symbol])


def cfd_on(instrument: Instrument) -> Instrument | None:
    """The contract for difference on a share at home, or on a pair; a listing abroad or a namesake has none."""
    if instrument.sec_type == "CASH":
        return PAIR_CFDS.get(instrument.conid)
    cfd = cfd_of(instrument.symbol) if instrument.sec_type == "STK" and instrument.tradable else None
    return cfd if cfd is not None and cfd.underlying_conid == instrument.conid else None
