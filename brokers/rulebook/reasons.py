"""Every reason code with its sentence: what happened, and what to do next."""

from collections.abc import Mapping
from decimal import Decimal

from brokers.rulebook.errors import MissingMarginData

SENTENCES: dict[str, str] = {
    # what is traded, and how
    "asset_class_not_supported": "IBKR takes no {asset_class} orders from us. Choose a supported asset class.",
    "asset_class_not_tradable": "{asset_class} is data only. Trade its options, futures or CFD instead.",
    "not_tradable": "This instrument cannot be traded. Choose one that can.",
    "lite_account": (
        "This is an IBKR Lite account, and IBKR takes no orders for it through the API. "
        "Switch it to IBKR Pro in Client Portal."
    ),
    "account_not_open": "IBKR lists this account as {status}. Open another account, or ask IBKR to open it again.",
    "account_still_opening": "IBKR lists this account as {status}, not open yet, and may not take the order.",
    "client_trading_disabled": (
        "IBKR has trading by the client switched off in this account. Ask its advisor or IBKR to switch it on."
    ),
    "asset_class_not_permitted": (
        "This IBKR user has no permission to trade {kind}. "
        "Request it in Client Portal under Trading Permissions, then check the connection again."
    ),
    "no_trading_permission": (
        "This account has no permission to trade {symbol}. Request it in Client Portal under Trading Permissions."
    ),
    "order_type_not_supported": "{order_type} is not an order type we send. Choose one of the supported types.",
    "order_type_not_supported_for_asset_class": (
        "IBKR takes no {order_type} order for {asset_class}. Choose another order type."
    ),
    "market_on_open_not_available_for_futures": "{asset_class} has no opening auction. Send a market or limit order.",
    "exercise_not_supported_for_index_or_cash_settled": (
        "Cash-settled options settle by themselves and cannot be exercised. Close the position instead."
    ),
    # how much
    "quantity_zero": "The quantity is zero. Give a quantity other than zero.",
    "quantity_below_lot_size": "The quantity {quantity} is below the lot size {lot_size}. Order at least one lot.",
    "fractional_quantity_not_supported": "Fractions are not traded: {quantity}. Order {suggested} instead.",
    "quantity_truncated": "Fractions are not traded: {quantity} becomes {suggested}.",
    "forex_order_size": (
        "A {currency} order must be between {min} and {max}; {quantity} is not. Change the quantity, or another pair."
    ),
    "forex_below_minimum": "Below {min} {currency} IBKR routes the order as an odd lot, at a worse price.",
    "split_quantity_zero": "The split leaves less than one share of this order, so it is canceled. Enter a new one.",
    # when
    "market_on_open_outside_submission_window": (
        "Market-on-open orders are taken from {from_time} to {until_time} exchange time. Wait, or send a limit order."
    ),
    "market_on_close_too_late": (
        "Market-on-close orders must arrive by {deadline}. Send a market or limit order, or wait for the next session."
    ),
    "exchange_not_open": "The exchange is closed. Try again when its regular session is open.",
    "market_closed": "The market is closed. Wait for the regular session, or send a limit order for extended hours.",
    "market_becomes_market_on_open": "The regular session is closed: this market order waits for the next open.",
    "time_in_force_not_supported": "The time in force {time_in_force} is not supported. Use day, gtc or gtd.",
    "good_til_date_missing": "A good-til-date order needs its date. Give one, or use gtc.",
    "good_til_date_in_past": "The good-til-date {good_til_date} is past. Choose today or a later date.",
    "outside_rth_ignored": "IBKR ignores 'outside regular hours' on {order_type} orders.",
    "experimental_order_type": "{order_type} for {asset_class} is listed, but few exchanges offer it.",
    # combos and exercise
    "combo_leg_limit_max_3_legs": "A combo with a limit per leg has at most 3 legs. Use one net limit (combo limit).",
    "combo_ratio_not_reduced": "The leg ratios share the divisor {gcd}. Divide them by it and raise the quantity.",
    "not_exercisable": "Only options can be exercised. Send a market or limit order.",
    "only_long_options_exercisable": "Only options you hold long can be exercised. Buy the option back to close it.",
    "exercise_exceeds_holding": "You hold {holding} contracts and asked to exercise {quantity}. Exercise fewer.",
    "european_option_not_expired": "A European option is exercised on its expiry day only, {expiry}. Sell it instead.",
    "option_order_on_underlying_split": "The underlying is splitting right now. Send the option order again after it.",
    # money
    "order_price_missing": "A {order_type} order needs a {price}. Give one.",
    "no_price": "There is no price for this instrument yet. Wait for market data and try again.",
    "no_fx_rate": "There is no exchange rate for {name}. Wait for a rate and try again.",
    "no_fee_schedule": "There is no fee schedule for {name}. Trade it elsewhere, or add the schedule.",
    "no_margin_data": MissingMarginData.template,
    "margin_not_on_record": "No margin of {name} is on record here, so IBKR decides when the order arrives.",
    "margin_figure_is_old": (
        "The margin of {name} is the exchange's figure of {since}, too old to refuse by: "
        "IBKR decides when the order arrives."
    ),
    "insufficient_buying_power": (
        "The order needs {required} {currency} of margin and {available} is available. Order less, or add funds."
    ),
    "insufficient_cash": "The order needs {required} {currency} and {available} is free. Order less, or add funds.",
    "short_sale_not_allowed_in_cash_account": "A cash account cannot sell short. Sell at most the {holding} you hold.",
    "unsupported_security": "Only currencies are paid for this way, not {asset_class}. Use the rule of its own class.",
    # changing an order
    "order_closed": "The order is closed ({status}). Enter a new order.",
    "order_not_yet_submitted": "The order has not reached IBKR yet. Change it once it is submitted.",
    # financial advisors
    "fa_method_not_supported": "{method} is not an allocation method. Use EqualQuantity, NetLiq or AvailableEquity.",
    "fa_account_and_group": "Give an account or a group, not both: IBKR would trade only the account {account}.",
    "fa_account_and_group_sent": "Account, group and profile exclude each other: IBKR uses the first of them only.",
    "fa_group_empty": "The group {group} has no accounts. Add accounts, or choose another group.",
    "fa_quantity_required": "The method {method} needs a quantity. Give one.",
    # fills
    "stale_price": "The last price is from {as_of}, before the order.",
}


def sentence_for(code: str, data: Mapping[str, object]) -> str:
    """The sentence of a reason for people; a figure that `data` lacks is shown as a dash."""
    return SENTENCES[code].format_map(_Words(data))


class _Words(dict[str, object]):
    """Fills a sentence; numbers in plain notation, a missing word as a dash."""

    def __init__(self, data: Mapping[str, object]) -> None:
        # A table is named as its file is.
        super().__init__({key: value if key == "table" else _plain(value) for key, value in data.items()})

    def __missing__(self, key: str) -> str:
        return "-"


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, str):
        return value.replace("_", " ")
    return value
