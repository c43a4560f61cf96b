"""What each setting of the terms is called, and what each of its choices is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokers.domain.orders import FOR_AUCTIONS, OrderType, TimeInForce
from brokers.domain.protection.choices import LABELS as MISSING_STOP_LABELS
from strategies.domain.terms.terms import (
    NAMES,
    ExitUnfilled,
    Hours,
    MarketClosed,
    MarketPrice,
    OptionType,
    QuantityType,
    RestartEntries,
    Rounding,
    Sides,
    WorkingEntry,
)

LABELS = {
    "tickers": "Only these tickers",
    "sides": "Sides",
    "allow_add": "Add to a position that is already open",
    "allow_swap": "Change sides with one signal",
    "subtract_exit_quantity": "The exit counts toward the signal's quantity",
    "isolate_sides": "Leave the other side alone",
    "ignore_exits": "Ignore exits",
    "close_only": "Only close positions",
    "invert_puts": "Invert puts",
    "option_type": "Options by parts: calls or puts",
    "option_expiration": "Options by parts: expiration",
    "option_strikes_away": "Options by parts: strikes from the money",
    "option_spread_percent": "Widest spread of options on shares, percent",
    "index_option_spread_percent": "Widest spread of options on indices and futures, percent",
    "close_ending_minutes": "Close options so many minutes before they end",
    "quantity": "Quantity",
    "quantity_type": "Counted as",
    "quantity_multiplier": "Times the signal's quantity",
    "rounding": "Rounding",
    "order_type": "Order type",
    "time_in_force": "Good for",
    "good_till_days": "Days until its date",
    "outside_rth": "Also outside regular hours",
    "market_price": "Market price",
    "trail_amount": "Trail by an amount",
    "trail_percent": "Trail by percent",
    "spread_amount": "Widest spread, amount",
    "spread_percent": "Widest spread, percent",
    "cancel_after": "Cancel after",
    "exit_order_type": "Order type of exits",
    "exit_time_in_force": "Exits are good for",
    "exit_good_till_days": "Days until the date of exits",
    "exit_outside_rth": "Exits outside regular hours",
    "exit_market_price": "Market price of exits",
    "exit_trail_amount": "Trail exits by an amount",
    "exit_trail_percent": "Trail exits by percent",
    "exit_spread_amount": "Widest spread of exits, amount",
    "exit_spread_percent": "Widest spread of exits, percent",
    "exit_cancel_after": "Cancel exits after",
    "take_profit": "Take profit",
    "stop_loss": "Stop loss",
    "stop_loss_type": "Stop loss works as",
    "stop_loss_limit_offset": "Its limit beyond the stop by",
    "legs_from_fill": "Count stops and targets from the fill",
    "breakeven_offset": "Break-even offset",
    "legs_outside_rth": "Stops and targets outside regular hours",
    "missing_stop": "If a stop is refused, canceled or lost",
    "windows": "Trading windows",
    "exits_outside_windows": "Exits and cancels outside the windows",
    "hours": "Open positions",
    "market_closed": "A market order while the market is closed",
    "restart_entries": "An entry while IBKR restarts",
    "restart_minutes": "It may leave so long afterwards",
    "working_entry": "A new entry while one is working",
    "cancel_orders": "Cancel working orders first",
    "cancel_wait_seconds": "Wait for cancels",
    "exit_wait_seconds": "Wait for the exit of a change of sides",
    "exit_unfilled": "If that exit does not fill in time",
    "entry_time_to_live_seconds": "Entries expire after",
    "exit_time_to_live_seconds": "Exits expire after",
    "max_quantity": "Largest quantity",
    "max_amount": "Largest order",
    "preview_above": "Ask IBKR first above",
    "max_position": "Largest position",
    "max_position_amount": "Largest position, in money",
    "max_trades_per_day": "Entries a day",
    "cooldown_seconds": "Pause after an entry",
    "max_daily_loss": "Stop after a day's loss of",
    "max_daily_profit": "Stop after a day's profit of",
    "collar_percent": "Entries within",
    "allow_overrides": "Signals may override these terms",
    "signal_fields": "What a signal may still say",
    "auto_submit": "Send orders at once",
    "approval_seconds": "Time to approve",
}

ORDER_TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop limit",
    OrderType.TRAILING_STOP: "Trailing stop",
    OrderType.MARKET_IF_TOUCHED: "Market if touched",
    OrderType.LIMIT_IF_TOUCHED: "Limit if touched",
    OrderType.MIDPRICE: "Midprice",
    OrderType.TRAILING_STOP_LIMIT: "Trailing stop limit",
}
# As signals may name them: an order type and an auction in one word.
SIGNAL_ORDER_TYPES: Mapping[str, str] = {
    **{str(kind): words for kind, words in ORDER_TYPES.items()},
    **{name: name.replace("_", " ").capitalize() for name in FOR_AUCTIONS},
}
_TIFS = {
    TimeInForce.DAY: "The day",
    TimeInForce.GTC: "Until canceled",
    TimeInForce.GTD: "Until a date, when Halyard cancels it",
    TimeInForce.OPG: "The opening auction",
    TimeInForce.CLS: "The closing auction",
    TimeInForce.IOC: "Immediately or not at all",
}
_PRICES = {
    MarketPrice.MARK: "Halfway between bid and ask",
    MarketPrice.ASK_BID: "The ask for buys, the bid for sells",
    MarketPrice.ASK: "The ask",
    MarketPrice.BID: "The bid",
    MarketPrice.LAST: "The last trade",
}
# By the name of the setting, its words for each value it can have.
CHOICES: Mapping[str, Mapping[Any, str]] = {
    "sides": {
        Sides.BOTH: "Both: long and short",
        Sides.BULLISH: "Bullish: long only",
        Sides.BEARISH: "Bearish: short only",
        Sides.NONE: "None: exits and cancels only",
    },
    "quantity_type": {
        QuantityType.FIXED: "Shares or contracts",
        QuantityType.AMOUNT: "Money per entry",
        QuantityType.NOTIONAL: "Money per entry, options at their strike",
        QuantityType.RISK_AMOUNT: "Money at risk",
        QuantityType.RISK_PERCENT: "Percent of equity at risk",
        QuantityType.PERCENT_OF_EQUITY: "Percent of equity",
        QuantityType.PERCENT_OF_POSITION: "Percent of the position",
    },
    "option_type": {
        OptionType.CALL: "Calls",
        OptionType.PUT: "Puts",
        OptionType.BOTH: "Calls when bullish, puts when bearish",
    },
    "rounding": {Rounding.DOWN: "Down to whole units", Rounding.NEAREST: "To the nearest whole unit"},
    "order_type": ORDER_TYPES,
    "exit_order_type": ORDER_TYPES,
    "stop_loss_type": {
        kind: ORDER_TYPES[kind]
        for kind in (
            OrderType.STOP,
            OrderType.STOP_LIMIT,
            OrderType.TRAILING_STOP,
            OrderType.TRAILING_STOP_LIMIT,
        )
    },
    "time_in_force": _TIFS,
    "exit_time_in_force": _TIFS,
    "market_price": _PRICES,
    "exit_market_price": _PRICES,
    "hours": {
        Hours.ANY: "At any time",
        Hours.REGULAR: "In the regular session only",
        Hours.EXTENDED: "In the regular and the extended sessions",
    },
    "market_closed": {
        MarketClosed.QUEUE: "IBKR holds it until the open",
        MarketClosed.OPG: "Joins the opening auction",
        MarketClosed.REJECT: "Is rejected",
    },
    "restart_entries": {
        RestartEntries.REJECT: "Is rejected",
        RestartEntries.QUEUE: "Waits until it is over",
    },
    "working_entry": {
        WorkingEntry.REPLACE: "Takes its place",
        WorkingEntry.KEEP: "Works beside it",
        WorkingEntry.REJECT: "Is rejected",
    },
    "exit_unfilled": {
        ExitUnfilled.KEEP: "Keep it, no entry follows",
        ExitUnfilled.CANCEL: "Cancel it, no entry follows",
        ExitUnfilled.MARKET: "Make it a market order, then enter",
    },
    "missing_stop": dict(MISSING_STOP_LABELS),
    "take_profit": {
        "percent": "Percent from the entry",
        "amount": "Amount from the entry",
        "pnlAmount": "Profit in money",
    },
    "stop_loss": {
        "percent": "Percent from the entry",
        "amount": "Amount from the entry",
        "pnlAmount": "Loss in money",
        "trailAmount": "Trailing by an amount",
        "trailPercent": "Trailing by percent",
    },
    "signal_fields": {
        "quantity": "Quantity",
        "orderType": "Order type and prices",
        "timeInForce": "Time in force",
        "extendedHours": "Extended hours",
        "marketPriceType": "Market price",
        "bidAskSpreadFilter": "Widest spread",
        "cancel": "Cancel first",
        "cancelAfter": "Cancel after",
        "takeProfit": "Take profit",
        "stopLoss": "Stop loss",
        "breakevenOffset": "Break-even offset",
        "ignoreTradingWindows": "Ignore trading windows",
    },
}

assert set(LABELS) == set(NAMES), "every setting has its label"
