"""Which class a symbol plainly belongs to, and what can be traded in place of one that this strategy does not trade."""

from __future__ import annotations

import re

from brokers.domain.tickers import COINS, CONTINUOUS, CONTRACT, PAIR
from brokers.rulebook.products.cfds import NAMED
from brokers.rulebook.products.currencies import CURRENCIES
from brokers.rulebook.products.futures import PRODUCTS, chart_root
from strategies.domain.message.kinds import WORDS, Kind

_OPTION = re.compile(r"([A-Z]{1,6})[ _]*\d{6}[CP]?\d{1,8}(?:\.\d{1,4})?")
_PERPETUAL = re.compile(r"[A-Z0-9]{2,10}(?:USDT|USDC|USD)(?:\.P|PERP)")

METALS = frozenset({"XAU", "XAG", "XPT", "XPD", "XCU"})
_COIN_NAMES = frozenset(
    [
        "BTC",
        "XBT",
        "ETH",
        "XRP",
        "SOL",
        "DOGE",
        "ADA",
        "LTC",
        "BCH",
        "DOT",
        "LINK",
        "AVAX",
        "MATIC",
        "POL",
        "SHIB",
        "UNI",
        "ATOM",
        "XLM",
        "TRX",
        "BNB",
        "TON",
        "SUI",
        "PEPE",
        "NEAR",
        "APT",
        "ARB",
        "FIL",
        "ALGO",
        "ETC",
        "AAVE",
    ]
)
_COIN_WAYS = {
    "BTC": "BTC or MBT (futures), or IBIT (a fund)",
    "XBT": "BTC or MBT (futures), or IBIT (a fund)",
    "ETH": "ETH or MET (futures), or ETHA (a fund)",
}
_CURRENCY_FUTURES = {
    "EUR": "6E or M6E",
    "GBP": "6B or M6B",
    "JPY": "6J",
    "AUD": "6A or M6A",
    "CAD": "6C or MCD",
    "CHF": "6S",
    "NZD": "6N",
    "MXN": "6M",
}


def other_class(symbol: str, kind: Kind) -> Kind | None:
    """The class a symbol plainly belongs to where it is another one than `kind`."""
    if kind is Kind.FUTURE_OPTION:
        # What is sent is the future that they are on.
        return next(
            (other for other, plainly in ((Kind.FOREX, is_pair), (Kind.CRYPTO, is_coin)) if plainly(symbol)), None
        )
    checks = {
        Kind.OPTION: _OPTION.fullmatch(symbol) is not None,
        Kind.FUTURE: is_future(symbol),
        # There are CFDs on pairs.
        Kind.FOREX: is_pair(symbol) and not (kind is Kind.CFD and pair(symbol)),
        Kind.CRYPTO: is_coin(symbol),
        Kind.CFD: symbol in NAMED,
    }
    return next((other for other, plainly in checks.items() if plainly and other is not kind), None)


def is_future(symbol: str) -> bool:
    """A continuous or a dated contract; one with a short year only of a root that is known."""
    if CONTINUOUS.fullmatch(symbol):
        return True
    match = CONTRACT.fullmatch(symbol)
    return match is not None and (len(match[3]) == 4 or chart_root(match[1]) in PRODUCTS)


def pair(symbol: str) -> tuple[str, str] | None:
    """The two currencies of a pair, however it is written; None where it is none."""
    match = PAIR.fullmatch(symbol)
    if match is None or match[1] == match[2] or not {match[1], match[2]} <= CURRENCIES:
        return None
    return match[1], match[2]


def is_pair(symbol: str) -> bool:
    """Two currencies, or a currency and a word of three letters with a sign between; WFC.PRL is a preferred share."""
    match = PAIR.fullmatch(symbol)
    if match is None or match[1] == match[2]:
        return False
    both = {match[1], match[2]}
    return both <= CURRENCIES or (len(symbol) == 7 and bool(both & CURRENCIES) and not both & (METALS | _COIN_NAMES))


def is_coin(symbol: str) -> bool:
    """A coin in a currency, or a perpetual swap on one."""
    if _PERPETUAL.fullmatch(symbol):
        return True
    match = COINS.fullmatch(symbol)
    if match is None or match[1] in CURRENCIES | METALS:
        return False
    return match[1] in _COIN_NAMES or (match[2] in {"USDT", "USDC"} and len(symbol) > 5)


def instead_of(symbol: str, other: Kind, kind: Kind) -> str:
    """ "... is an option and this strategy trades stocks. Send it to a strategy for options, or trade SPY here." """
    one, many, _ = WORDS[other]
    if not other.is_traded:
        return f"is {one}, and Halyard does not trade {many} at IBKR. {_way(symbol)}"
    also = ""
    if other is Kind.FOREX and kind is Kind.FUTURE and (ways := _futures_on(symbol)):
        also = f", or trade {ways} here"
    if other is Kind.OPTION and kind is Kind.STOCK and (match := _OPTION.fullmatch(symbol)):
        also = f", or trade what it is on here: {match[1]}"
    return f"is {one} and this strategy trades {WORDS[kind][1]}. Send it to a strategy for {many}{also}."


def _way(symbol: str) -> str:
    base = next((coin for coin in _COIN_WAYS if symbol.startswith(coin)), "")
    return f"Trade {_COIN_WAYS[base]} instead." if base else "Trade a fund or a future that follows it instead."


def _futures_on(symbol: str) -> str:
    match = PAIR.fullmatch(symbol)
    if match is None or "USD" not in {match[1], match[2]}:
        return ""
    return _CURRENCY_FUTURES.get(match[1] if match[2] == "USD" else match[2], "")
