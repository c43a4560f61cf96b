"""The chart's instrument or none: exchange prefixes, the roots of futures, and symbols of another class."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from brokers.domain.tickers import is_ticker
from brokers.rulebook.products.abroad import ABROAD
from brokers.rulebook.products.futures import PRODUCTS, code_of
from brokers.rulebook.products.untradable import UNTRADABLE
from strategies.domain.message import options, symbols
from strategies.domain.message.kinds import form_of
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.message.venues import VENUES
from strategies.domain.message.wishes import NO_WISH
from strategies.reading.parse import evaluate
from strategies.reading.warnings import sentence

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def answer(ticker: str, kind: str = "stock", **more: Any) -> dict[str, Any]:
    allowed = more.pop("allowed", [])
    body = json.dumps({"ticker": ticker, "action": "buy", **more})
    context = {"asset_class": kind, "now": NOW.isoformat(), "allowed_tickers": allowed}
    return evaluate({"body": body, "context": context})


def refusal(ticker: str, kind: str = "stock", **more: Any) -> tuple[str, str]:
    reading = answer(ticker, kind, **more)
    assert reading["expect"] == "reject", reading
    assert reading["message"].endswith(".")
    return reading["messageCode"], reading["message"]


def instrument(ticker: str, kind: str = "stock", **more: Any) -> dict[str, Any]:
    reading = answer(ticker, kind, **more)
    assert reading["expect"] == "accept", reading
    facts: dict[str, Any] = reading["canonical"]["instrument"]
    return facts


# Prefixes ---------------------------------------------------------------------------------------------------------


def test_the_table_of_prefixes_is_long_and_says_what_each_lists() -> None:
    assert len(VENUES) > 150
    words = {*map(str, Kind), "index"}
    for venue in VENUES.values():
        assert venue.lists
        assert venue.lists <= words, venue
        assert all((venue.name, venue.country, venue.currency))


@pytest.mark.parametrize("prefix", ["NASDAQ", "NYSE", "AMEX", "BATS", "CBOE", "OTC", "nyse", "ARCA"])
def test_a_us_exchange_in_front_is_a_hint(prefix: str) -> None:
    assert instrument(f"{prefix}:SPY") == {"class": "stock", "symbol": "SPY", "exchange_hint": prefix.upper()}


@pytest.mark.parametrize(
    ("ticker", "venue", "currency"),
    [
        ("LSIN:SMSN", "the London Stock Exchange's international board (the UK)", "USD"),
        ("NSE:INFY", "the National Stock Exchange of India (India)", "INR"),
        ("JSE:NPN", "the Johannesburg exchange (South Africa)", "ZAR"),
        ("SWB:SAP", "the Stuttgart exchange (Germany)", "EUR"),
        # The delayed feed of a venue abroad is that venue.
        ("NSE_DLY:INFY", "the National Stock Exchange of India (India)", "INR"),
    ],
)
def test_a_listing_abroad_that_is_not_traded_is_refused_with_its_venue_and_what_would_be_bought(
    ticker: str, venue: str, currency: str
) -> None:
    symbol = ticker.partition(":")[2]
    code, message = refusal(ticker)
    assert code == "unsupported-exchange"
    assert f"is listed on {venue} in {currency}" in message
    assert f"Send {symbol} without the prefix if you mean that." in message
    # The advice works.
    assert instrument(symbol)["symbol"] == symbol


def test_johannesburg_is_refused_by_the_unit_of_its_charts() -> None:
    assert "Its charts count in cents, and orders do not." in refusal("JSE:NPN")[1]


@pytest.mark.parametrize(
    ("ticker", "name", "warnings"),
    [
        ("XETR:SAP", "XETR:SAP", ()),
        ("xetr:sap", "XETR:SAP", ()),
        ("SAP.DE", "XETR:SAP", ()),
        ("TSX:BBD.B", "TSX:BBD.B", ()),
        ("SHOP.TO", "TSX:SHOP", ()),
        ("0700.HK", "HKEX:700", ()),
        ("HKEX:700", "HKEX:700", ()),
        ("TSE:7203", "TSE:7203", ()),
        ("EURONEXT:ASML", "EURONEXT:ASML", ()),
        ("TSX_DLY:SHOP", "TSX:SHOP", ("delayed-feed:TSX_DLY",)),
        ("LSE:VOD", "LSE:VOD", ()),
        ("FWB:SAP", "FWB:SAP", ()),
    ],
)
def test_a_listing_abroad_is_named_with_its_exchange(ticker: str, name: str, warnings: tuple[str, ...]) -> None:
    symbol = symbols.read(ticker, Kind.STOCK, NOW)
    assert (symbol.name, symbol.root, symbol.names, symbol.warnings) == (name, name, frozenset({name}), warnings)
    traded = symbol.instrument()
    assert traded is not None
    assert traded.ticker == name
    assert is_ticker(name)
    # What is stored reads as the same share, and never as the one of the US.
    stored = Symbol.from_reading(symbol.canonical())
    assert (stored.name, stored == symbol) == (name, True)
    assert symbols.read(name.partition(":")[2], Kind.STOCK, NOW) != symbol


def test_every_exchange_abroad_that_is_traded_is_one_of_the_charts_venues() -> None:
    for prefix, abroad in ABROAD.items():
        assert "stock" in VENUES[prefix].lists, prefix
        assert VENUES[prefix].currency.split()[0] == abroad.currency, prefix
        assert abroad.exchanges, prefix


def test_an_option_of_a_venue_abroad_stays_refused() -> None:
    with pytest.raises(Refused, match="where Halyard trades no options yet"):
        options.read("XETR:SAP 261218C200", NO_WISH, NOW)


@pytest.mark.parametrize(
    "ticker", ["BRK.B", "BRK/B", "BF.A", "ABC.WS", "ABC.PRA", "WFC/PRL", "BAC.PRE", "GEF.B", "HEI.A"]
)
def test_a_class_of_shares_is_no_listing_abroad(ticker: str) -> None:
    assert instrument(ticker)["symbol"] == ticker.replace("/", ".")


def test_a_number_is_no_us_symbol_to_be_sent_instead() -> None:
    assert refusal("KRX:005930")[1].endswith("Send a symbol that is listed in the US.")


def test_an_exchange_nobody_knows_is_not_taken_for_a_us_one() -> None:
    code, message = refusal("MOON:AAPL")
    assert code == "unknown-exchange"
    assert "AAPL alone where the US one is meant." in message
    assert refusal("MOON:ES1!", "future")[0] == "unknown-exchange"


@pytest.mark.parametrize("ticker", ["NASDAQ:AAPL/NASDAQ:MSFT", "NYSE:KO-NYSE:PEP", "1/NASDAQ:AAPL"])
def test_a_combination_of_symbols_is_not_its_last_one(ticker: str) -> None:
    code, message = refusal(ticker)
    assert code == "unknown-exchange"
    assert "combines several symbols" in message


@pytest.mark.parametrize(
    ("ticker", "kind"), [("NASDAQ_DLY:AAPL", "stock"), ("CME_MINI_DL:ES1!", "future"), ("COMEX_DL:GC1!", "future")]
)
def test_a_delayed_feed_is_traded_with_a_warning(ticker: str, kind: str) -> None:
    reading = answer(ticker, kind)
    prefix = ticker.partition(":")[0]
    assert f"delayed-feed:{prefix}" in reading["canonical"]["warnings"]
    assert sentence(f"delayed-feed:{prefix}").startswith(f"{prefix} is a delayed feed")


def test_the_chart_may_name_its_exchange_in_a_field_of_its_own() -> None:
    assert refusal("INFY", exchange="NSE")[0] == "unsupported-exchange"
    assert instrument("SAP", exchange="xetr") == {"class": "stock", "symbol": "SAP", "venue": "XETR"}
    assert instrument("AAPL", exchange="NASDAQ")["exchange_hint"] == "NASDAQ"
    assert instrument("NYSE:SHOP", exchange="NYSE")["exchange_hint"] == "NYSE"
    # The ticker's own prefix comes first.
    assert instrument("TSX:SHOP", exchange="NASDAQ")["venue"] == "TSX"


@pytest.mark.parametrize("value", ["my desk", "{{exchange}}", 7, ["NYSE"], True])
def test_an_exchange_that_cannot_be_read_is_left_out_with_a_warning(value: Any) -> None:
    reading = answer("AAPL", exchange=value)
    assert reading["canonical"]["instrument"] == {"class": "stock", "symbol": "AAPL"}
    assert "ignored-exchange" in reading["canonical"]["warnings"]


@pytest.mark.parametrize(
    ("ticker", "kind", "piece"),
    [
        (
            "NASDAQ:AAPL",
            "future",
            "Nasdaq lists stocks, and this strategy trades futures. Send it to a strategy for stocks.",
        ),
        (
            "CME_MINI:MES",
            "stock",
            "CME lists futures, and this strategy trades stocks. Send it to a strategy for futures.",
        ),
        ("FRED:GDP", "stock", "is one of economic figures, which nobody can buy"),
        ("CRYPTOCAP:TOTAL", "stock", "nobody can buy"),
        ("BINANCE:SOL", "stock", "Binance lists crypto pairs"),
        ("OANDA:ABC", "stock", "OANDA lists currency pairs"),
        ("NASDAQ:AAPL", "future", "is no future"),
    ],
)
def test_a_prefix_of_another_class_is_refused_at_the_door(ticker: str, kind: str, piece: str) -> None:
    code, message = refusal(ticker, kind)
    assert code == "invalid-asset-class"
    assert piece in message


def test_futures_abroad_trade_where_the_contract_is_known_and_nowhere_else() -> None:
    assert instrument("EUREX:FDAX1!", "future")["root"] == "FDAX"
    assert instrument("ICEEUR:BRN1!", "future")["root"] == "BRN"
    for ticker in ("MCX:GOLD1!", "NSE:NIFTY1!", "BMFBOVESPA:WIN1!", "EUREX:GC1!", "CME:FDAX1!"):
        assert refusal(ticker, "future")[0] == "unsupported-exchange"


def test_a_list_of_tickers_takes_no_listing_abroad_either() -> None:
    from strategies.setup.strategy_settings import Unusable, read_tickers

    assert read_tickers("NASDAQ:AAPL, BRK/B", Kind.STOCK, NOW) == ("AAPL", "BRK.B")
    assert read_tickers("6E EUR BRR VIX", Kind.FUTURE, NOW) == ("6E", "BTC", "VX")
    assert read_tickers("NASDAQ:AAPL", Kind.OPTION, NOW) == ("AAPL",)
    for text, kind in (("NSE:SHOP", Kind.STOCK), ("SPX", Kind.STOCK), ("ES1!", Kind.STOCK), ("XETR:SAP", Kind.OPTION)):
        with pytest.raises(Unusable):
            read_tickers(text, kind, NOW)
    with pytest.raises(Unusable, match="List what the options are on, SPY"):
        read_tickers("SPY261218C600", Kind.OPTION, NOW)


# Roots ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "root"),
    [
        ("EURZ2026", "6E"),
        ("BRR", "BTC"),
        ("BRR1!", "BTC"),
        ("ETHUSDRR", "ETH"),
        ("VIXZ6", "VX"),
        ("GBL1!", "FGBL"),
        ("SOFR3", "SR3"),
        ("6E1!", "6E"),
    ],
)
def test_the_brokers_root_is_read_as_the_charts(sent: str, root: str) -> None:
    assert instrument(sent, "future")["root"] == root


@pytest.mark.parametrize("sent", ["DAX", "DAX1!", "DAXZ2026", "ESTX501!"])
def test_a_root_of_several_futures_is_asked_about(sent: str) -> None:
    _, message = refusal(sent, "future")
    assert "may be several futures. Send F" in message
    advised = message.partition("Send ")[2].split()[0]
    assert instrument(advised, "future")["root"] == advised


@pytest.mark.parametrize("root", sorted(PRODUCTS))
def test_every_root_of_the_table_is_read_in_every_spelling(root: str) -> None:
    month = NOW.date().replace(day=1, month=12)
    for ticker in (root, f"{root}1!", f"{root}2!", code_of(root, month), f"{root}Z26", f"{root}Z6"):
        assert instrument(ticker, "future")["root"] == root


def test_a_list_with_either_root_lets_the_future_through() -> None:
    assert answer("6E1!", "future", allowed=["EUR"])["expect"] == "accept"
    assert answer("EURZ2026", "future", allowed=["6E"])["expect"] == "accept"
    assert answer("6EZ2026", "future", allowed=["EURZ2026"])["expect"] == "accept"
    assert refusal("6B1!", "future", allowed=["EUR"])[0] == "unsupported-ticker"


# Classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticker", "ways"),
    [
        ("SPX", ("ES", "MES", "SPY")),
        ("SP:SPX", ("ES", "MES", "SPY")),
        ("TVC:VIX", ("VX", "VXX")),
        ("CBOE:VIX", ("VX", "VXX")),
        ("NDX", ("NQ", "MNQ", "QQQ")),
        ("NASDAQ:NDX", ("NQ", "QQQ")),
        ("DJ:DJI", ("YM", "DIA")),
        ("RUT", ("RTY", "IWM")),
        ("OANDA:SPX500USD", ("ES", "SPY")),
        ("CAPITALCOM:US100", ("NQ", "QQQ")),
        ("TVC:DXY", ("DX", "UUP")),
        ("XETR:DAX", ("FDAX", "FDXM")),
        ("TVC:GOLD", ("GC", "GLD")),
        ("XAUUSD", ("GC", "GLD")),
        ("OANDA:XAGUSD", ("SI", "SLV")),
        ("TVC:USOIL", ("CL", "USO")),
        ("TVC:US10Y", ("ZN", "IEF")),
    ],
)
def test_an_index_is_refused_with_what_follows_it(ticker: str, ways: tuple[str, ...]) -> None:
    for kind in ("stock", "future", "forex"):
        code, message = refusal(ticker, kind)
        assert code == "invalid-asset-class"
        assert "nobody can buy" in message
        assert all(way in message for way in ways)


def test_a_us_stock_keeps_its_symbol_although_an_index_abroad_has_it() -> None:
    # A fund on the DAX, a gold company and Eversource.
    for symbol in ("DAX", "NYSE:GOLD", "WTI", "CORN", "ES", "CL", "BTC"):
        assert instrument(symbol)["class"] == "stock"


@pytest.mark.parametrize("symbol", sorted({way for row in UNTRADABLE.values() for way in row.funds}))
def test_the_funds_that_are_advised_can_be_sent(symbol: str) -> None:
    assert instrument(symbol)["symbol"] == symbol


@pytest.mark.parametrize("symbol", sorted({way for row in UNTRADABLE.values() for way in row.futures}))
def test_the_futures_that_are_advised_are_known(symbol: str) -> None:
    assert instrument(symbol, "future")["root"] == symbol
    assert symbol in PRODUCTS


@pytest.mark.parametrize(
    "ticker",
    [
        "SPY261218C600",
        "SPY261218C600.0",
        "OPRA:SPY261218C600.0",
        "SPY 261218C600",
        "SPY_121826C600",
        "SPY261218C00600000",
    ],
)
def test_an_option_is_no_stock(ticker: str) -> None:
    code, message = refusal(ticker)
    assert code == "invalid-asset-class"
    assert message.endswith("Send it to a strategy for options, or trade what it is on here: SPY.")


@pytest.mark.parametrize(
    ("ticker", "name", "underlying"),
    [
        ("AAPL1 261218C320", "AAPL1 261218C320", "AAPL"),
        ("AAPL1_121826C320", "AAPL1 261218C320", "AAPL"),
        ("OPRA:GOOGL2 261218P00150000", "GOOGL2 261218P150", "GOOGL"),
        # Crude oil of November 2031, else: no options are listed on that.
        ("CLX1 261218C120", "CLX1 261218C120", "CLX"),
        ("ESZ6 261211C6400", "ESZ2026 261211C6400", "ESZ2026"),
        ("ESH9 261211C6400", "ESH2029 261211C6400", "ESH2029"),
    ],
)
def test_a_class_that_a_split_has_changed_is_named_by_its_digit(ticker: str, name: str, underlying: str) -> None:
    named = options.read(ticker, NO_WISH, NOW)
    assert (named.name, named.facts["underlying"]) == (name, underlying)
    assert Symbol.from_reading(named.canonical()).name == name


@pytest.mark.parametrize("ticker", ["AAPL0 261218C320", "AAPL12 261218C320", "AAPL1261218C320", "ESZ6261211C6400"])
def test_other_digits_make_no_option(ticker: str) -> None:
    assert refusal(ticker, "option")[0] != ""


@pytest.mark.parametrize("ticker", ["EURUSD", "FX:EURUSD", "EUR.USD", "EUR/USD", "OANDA:GBPJPY"])
def test_a_currency_pair_is_no_stock_and_no_future(ticker: str) -> None:
    for kind in ("stock", "option", "crypto"):
        code, message = refusal(ticker, kind)
        assert code == "invalid-asset-class"
        assert "is a currency pair" in message
    assert refusal("FX:EURUSD", "future")[1].endswith(
        "Send it to a strategy for currency pairs, or trade 6E or M6E here."
    )


@pytest.mark.parametrize("ticker", ["BTCUSD", "BINANCE:BTCUSDT", "BTCUSDT.P", "COINBASE:BTC-USD", "BYBIT:BTCUSDT.P"])
def test_a_coin_is_no_stock_and_what_follows_it_is_named(ticker: str) -> None:
    for kind in ("stock", "future", "forex"):
        code, message = refusal(ticker, kind)
        assert code == "invalid-asset-class"
        assert "BTC or MBT (futures), or IBIT (a fund)" in message


@pytest.mark.parametrize("ticker", ["MNQZ6", "ESZ26", "6EH7", "CME_MINI:ES1!", "MNQZ2026", "GC2!"])
def test_a_future_is_no_stock_in_any_spelling(ticker: str) -> None:
    code, message = refusal(ticker)
    assert code == "invalid-asset-class"
    assert message.endswith("Send it to a strategy for futures.")


@pytest.mark.parametrize("ticker", ["", ":", "NASDAQ:", "A B", "\x00", "ES3!", "1!", "é", "AAPL:NASDAQ", "Z" * 60])
@pytest.mark.parametrize("kind", ["stock", "future", "option", "crypto", "forex"])
def test_what_is_nothing_is_refused_in_a_sentence(ticker: str, kind: str) -> None:
    assert refusal(ticker or " ", kind)[1]


@pytest.mark.parametrize("now", [NOW, datetime(2027, 12, 30, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)])
def test_the_form_that_is_shown_can_be_sent_that_day(now: datetime) -> None:
    assert symbols.read(form_of(Kind.FUTURE, now).split(" or ")[1], Kind.FUTURE, now).root == "MNQ"
    body = json.dumps({"ticker": form_of(Kind.OPTION, now), "action": "buy"})
    assert evaluate({"body": body, "context": {"asset_class": "option", "now": now.isoformat()}})["expect"] == "accept"


def test_a_reading_is_read_back_with_its_names() -> None:
    symbol = symbols.read("EURZ2026", Kind.FUTURE, NOW)
    assert symbol.names == {"6E", "EUR", "6EZ2026", "EURZ2026"}
    again = symbols.Symbol.from_reading(symbol.canonical())
    assert (again, again.names) == (symbol, symbol.names)
