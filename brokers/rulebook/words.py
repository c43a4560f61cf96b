"""The words of the trade. Values are plain strings, so that a word we do not know can still be named when refused."""

from enum import StrEnum


class AssetClass(StrEnum):
    EQUITY = "equity"
    OPTION = "option"
    FOREX = "forex"
    FUTURE = "future"
    FUTURE_OPTION = "future_option"
    INDEX_OPTION = "index_option"
    CFD = "cfd"
    INDEX = "index"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    LIMIT_IF_TOUCHED = "limit_if_touched"
    MARKET_IF_TOUCHED = "market_if_touched"
    MIDPRICE = "midprice"
    TRAILING_STOP_LIMIT = "trailing_stop_limit"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    MARKET_ON_OPEN = "market_on_open"
    MARKET_ON_CLOSE = "market_on_close"
    LIMIT_ON_OPEN = "limit_on_open"
    LIMIT_ON_CLOSE = "limit_on_close"
    COMBO_MARKET = "combo_market"
    COMBO_LIMIT = "combo_limit"
    COMBO_LEG_LIMIT = "combo_leg_limit"
    OPTION_EXERCISE = "option_exercise"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"


class AccountType(StrEnum):
    CASH = "cash"
    MARGIN = "margin"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Right(StrEnum):
    CALL = "call"
    PUT = "put"


COMBO_TYPES = frozenset({OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT, OrderType.COMBO_LEG_LIMIT})
LIMIT_PRICED = frozenset(
    {
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.TRAILING_STOP_LIMIT,
        OrderType.LIMIT_ON_OPEN,
        OrderType.LIMIT_ON_CLOSE,
        OrderType.COMBO_LEG_LIMIT,
    }
)
ON_OPEN = frozenset({OrderType.MARKET_ON_OPEN, OrderType.LIMIT_ON_OPEN})
ON_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
STOP_PRICED = frozenset({OrderType.STOP_MARKET, OrderType.TRAILING_STOP})
OPTION_CLASSES = frozenset({AssetClass.OPTION, AssetClass.INDEX_OPTION, AssetClass.FUTURE_OPTION})
FUTURE_CLASSES = frozenset({AssetClass.FUTURE, AssetClass.FUTURE_OPTION})
NEW_YORK_DAY_CLASSES = frozenset({AssetClass.FOREX, AssetClass.CFD})

# The broker's own words, as its orders and an account's permissions have them.
SECURITY_TYPES: dict[str, str] = {
    AssetClass.EQUITY: "STK",
    AssetClass.OPTION: "OPT",
    AssetClass.INDEX_OPTION: "OPT",
    AssetClass.FUTURE: "FUT",
    AssetClass.FUTURE_OPTION: "FOP",
    AssetClass.FOREX: "CASH",
    AssetClass.CFD: "CFD",
    AssetClass.INDEX: "IND",
}
