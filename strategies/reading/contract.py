"""The whole webhook contract: reads the fields of a body into a Message, also those we do not trade yet."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.rulebook.products.cfds import pair_of
from strategies.domain.message import options, symbols
from strategies.domain.message.message import Action, Message
from strategies.domain.message.refusals import invalid
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.message.venues import venue_of
from strategies.domain.message.wishes import NO_WISH, Wish
from strategies.domain.numbers import plain, snap
from strategies.reading import brackets, combos, fields, ladders, modifying, notes, order_shape, sender_position
from strategies.reading.sent import OPTION_FIELDS, SentFields, blacklisted
from strategies.reading.shares import refuse_share

EXAMPLE = '{"ticker": "SPY", "action": "buy", "quantity": 1}'
# A tenth of a micro lot: who sends less means lots.
_SMALLEST_FOREX = Decimal(100)

_ACTIONS = {str(action): action for action in Action}
_SENTIMENTS = {"bullish": "bullish", "long": "bullish", "bearish": "bearish", "short": "bearish", "flat": "flat"}
_OPTION_TYPES = fields.vocabulary("both call put")
_INTRINSIC = fields.vocabulary("itm otm")
_QUANTITY_TYPES = fields.vocabulary(
    "fixed_quantity dollar_amount notional_dollar_amount risk_dollar_amount risk_percent percent_of_equity percent_of_position"
)
# Names the vendor's own sizing page uses for two of them.
_QUANTITY_TYPE_HINTS = {"amount_per_position": "dollar_amount", "risk_per_position": "risk_dollar_amount"}


def read(
    values: dict[str, Any], *, kind: Kind, allowed_tickers: Collection[str], now: datetime
) -> tuple[Message, tuple[str, ...]]:
    """The Message of a body's fields, and its warning codes; raises Refused."""
    _require(values)
    sent = SentFields(values)
    action: Action = fields.word("action", sent.value("action"), _ACTIONS, "invalid-action")
    sent.compute()
    combo = combos.read(sent, action, kind, now)
    wish = _wish(sent, kind)
    entry_id = modifying.check(sent, action)
    ticker = _placed(sent)
    if combo is None:
        symbol = _symbol(ticker, kind, wish, allowed_tickers, now)
    else:
        action, symbol = combo.action, _allowed(combo.symbol, allowed_tickers)
    sent.warnings += symbol.warnings
    if warning := sender_position.old_text(sent, action):
        sent.warnings.append(warning)
    quantity, target = _quantity(sent, action, kind), _target(sent, action)
    units = quantity.get("quantity")
    of_pairs = kind is Kind.FOREX or (kind is Kind.CFD and pair_of(symbol.name) is not None)
    if of_pairs and units is not None and units < _SMALLEST_FOREX and "quantity_type" not in quantity:
        sent.warnings.append(f"small-forex-quantity:{plain(units)}")
    sender = sender_position.read(sent, action, _sentiment(sent, action), quantity)
    message = Message(
        action=action,
        symbol=symbol,
        option=options.wish_of(ticker, kind, wish, now),
        sentiment=sender.sentiment if target is None else None,
        **quantity,
        target_quantity=target,
        entry_id=entry_id,
        sender_position=sender.position,
        order=order_shape.order(sent, action, kind, now),
        # The stop first: it is the one that protects.
        stop_loss=sent.read("stopLoss", brackets.stop_loss, sent.warnings),
        take_profit=sent.read("takeProfit", ladders.targets, sent.warnings, action),
        **order_shape.conditions(sent, now),
        **notes.notes(sent),
    )
    return message, sent.warning_codes()


def _require(values: dict[str, Any]) -> None:
    for name in ("ticker", "action"):
        if values.get(name) is None:
            close = difflib.get_close_matches(name, [key[:20].lower() for key in itertools.islice(values, 20)], n=1)
            hint = f"Did you mean {name} by {close[0]}? Names are case-sensitive." if close else EXAMPLE
            raise invalid("invalid-payload", f"The message has no {name}. Add it.", field=name, hint=hint)
    ticker = values["ticker"]
    if not isinstance(ticker, str):
        raise invalid("invalid-payload", f"ticker is {fields.shown(ticker)}. Send it as text.", field="ticker")
    if not ticker.strip():
        raise invalid("empty-ticker-name", "ticker is empty. Name what to trade.", field="ticker", hint=EXAMPLE)
    fields.refuse_placeholder("ticker", ticker)
    if ticker.startswith("={"):
        name = fields.pine_symbol(ticker)
        raise invalid(
            "ticker-does-not-exist",
            f"ticker is the id of a chart in Pine (syminfo.tickerid){f', of {name}' if name else ''}. Send {{{{ticker}}}} or "
            "syminfo.ticker.",
            field="ticker",
        )
    if not isinstance(values["action"], str) or fields.is_blank(values["action"]):
        fields.word("action", values["action"], _ACTIONS, "invalid-action")


def _placed(sent: SentFields) -> str:
    """The ticker behind its exchange, which charts fill into a field of its own; the ticker's own prefix comes first."""
    ticker: str = sent.value("ticker")
    if "exchange" not in sent.known or ticker.startswith("="):
        return ticker
    exchange = fields.label(sent.value("exchange"))
    if exchange is None or venue_of(exchange.strip().upper()) is None:
        sent.ignore("exchange")
        return ticker
    return ticker if ":" in ticker else f"{exchange}:{ticker}"


def _symbol(ticker: str, kind: Kind, wish: Wish, allowed: Collection[str], now: datetime) -> Symbol:
    if ticker.startswith("="):
        raise blacklisted("ticker")
    symbol = options.symbol_of(ticker, kind, wish, now)
    return _allowed(symbol, allowed)


def _allowed(symbol: Symbol, allowed: Collection[str]) -> Symbol:
    if allowed and symbol.names.isdisjoint(name.strip().upper() for name in allowed):
        raise invalid(
            "unsupported-ticker",
            f"{symbol.name} is not on the strategy's list of tickers. Add it to the list, or send one that is.",
            field="ticker",
        )
    return symbol


def _sentiment(sent: SentFields, action: Action) -> str | None:
    sentiment: str | None = sent.read("sentiment", fields.word, _SENTIMENTS, "invalid-sentiment")
    if sentiment and action not in {Action.BUY, Action.SELL}:
        raise invalid(
            "invalid-sentiment-action",
            f"sentiment goes with buy and sell, not with {action}. Leave it out.",
            field="sentiment",
        )
    return sentiment


def _quantity(sent: SentFields, action: Action, kind: Kind) -> dict[str, Any]:
    _drop_zero_of_a_close(sent, action)
    refuse_share(sent.known.get("quantity"), action)
    quantity = sent.read("quantity", fields.above_zero, "invalid-quantity")
    if "quantityType" not in sent.known:
        return {"quantity": quantity}
    word = sent.value("quantityType")
    if isinstance(word, str) and (right := _QUANTITY_TYPE_HINTS.get(word.strip().lower())):
        message = f"quantityType is {fields.shown(word)}, which is a setting's name. Send {right}."
        raise invalid("invalid-quantity-type", message, field="quantityType", hint=f'"quantityType": "{right}"')
    sizing: str = fields.word("quantityType", word, _QUANTITY_TYPES, "invalid-quantity-type")
    if quantity is None:
        raise invalid(
            "quantity-type-requires-quantity", f"quantityType {sizing} needs a quantity. Add one.", field="quantity"
        )
    _check_sizing(sizing, action, kind)
    return {"quantity": quantity, "quantity_type": sizing}


def _drop_zero_of_a_close(sent: SentFields, action: Action) -> None:
    """A strategy that is flat afterwards has a position of 0, which many texts send as the quantity of the close."""
    if action not in {Action.BUY, Action.SELL} or fields.number(sent.value("quantity")) != 0:
        return
    words = [sent.value(name) for name in ("sentiment", "marketPosition")]
    if any(isinstance(word, str) and word.strip().lower() == "flat" for word in words):
        sent.known.pop("quantity")
        sent.known.pop("quantityType", None)
        sent.warnings.append("ignored-quantity")


def _target(sent: SentFields, action: Action) -> Decimal | None:
    """The signed position to hold afterwards; the order makes up the difference, so nothing else may size it."""
    target = sent.read("targetQuantity", _signed)
    if target is None:
        return None
    if action not in {Action.BUY, Action.SELL}:
        raise invalid(
            "invalid-target-quantity-action",
            f"targetQuantity goes with buy and sell, not with {action}. Leave it out.",
            field="targetQuantity",
        )
    if "quantity" in sent.known:
        raise invalid(
            "invalid-target-quantity",
            "targetQuantity says where the position ends, and so does quantity. Send one of them.",
            field="targetQuantity",
        )
    name = next((name for name in ("sentiment", "marketPosition") if name in sent.known), None)
    return target if name is None else _with_side(target, name, _word(sent, name))


def _word(sent: SentFields, name: str) -> str:
    code = "invalid-sentiment" if name == "sentiment" else "invalid-market-position"
    return str(fields.word(name, sent.value(name), _SENTIMENTS, code))


def _with_side(target: Decimal, name: str, word: str) -> Decimal:
    """The target with its sign: TradingView sends the size of a position and its side apart."""
    if word == "bullish" and target > 0:
        return target
    if (word == "bearish" and target != 0) or (word == "flat" and target == 0):
        return -abs(target)
    raise invalid(
        "invalid-target-quantity",
        f"targetQuantity is {plain(target)} and {name} is {word}, which cannot both be. Send the position to end with.",
        field="targetQuantity",
    )


def _signed(name: str, value: object) -> Decimal:
    fields.refuse_placeholder(name, value)
    decimal = fields.number(value)
    decimal = None if decimal is None else snap(decimal)
    if decimal is None or decimal != decimal.to_integral_value():
        raise invalid(
            "invalid-target-quantity",
            f"{name} is {fields.shown(value)}. Send whole units: 10 is long, -10 short, 0 no position.",
            field=name,
        )
    return decimal


def _check_sizing(sizing: str, action: Action, kind: Kind) -> None:
    if sizing.startswith("risk_") and action not in {Action.BUY, Action.SELL, Action.ADD}:
        code = "invalid-risk-dollar-amount-action" if sizing == "risk_dollar_amount" else "invalid-quantity-type-action"
        raise invalid(
            code, f"quantityType {sizing} goes with buy, sell and add, not with {action}.", field="quantityType"
        )
    if sizing == "percent_of_position" and action not in {Action.BUY, Action.SELL, Action.EXIT}:
        raise invalid(
            "invalid-percent-of-position-action",
            f"quantityType percent_of_position goes with buy, sell and exit, not with {action}.",
            field="quantityType",
        )
    if action in {Action.CANCEL, Action.BREAKEVEN, Action.MODIFY} and sizing != "fixed_quantity":
        raise invalid(
            "invalid-quantity-type-action",
            f"quantityType {sizing} sizes an order, and {action} makes none. {_instead(action)}",
            field="quantityType",
        )
    if kind is Kind.FUTURE and sizing not in {"fixed_quantity", "percent_of_position"}:
        raise invalid(
            "invalid-quantity-type-for-asset-class",
            f"quantityType {sizing} is not for futures. Send contracts, with fixed_quantity.",
            field="quantityType",
        )


def _instead(action: Action) -> str:
    if action is Action.MODIFY:
        return "Send quantity alone, the new size of the order."
    return "Leave quantity and quantityType out."


def _wish(sent: SentFields, kind: Kind) -> Wish:
    if sent.has_none_of(OPTION_FIELDS):
        return NO_WISH
    if not kind.is_option:
        name = next(name for name in OPTION_FIELDS if name in sent.known)
        raise invalid(
            "invalid-asset-class",
            f"{name} is about options and this strategy trades {symbols.WORDS[kind][1]}. Leave it out.",
            field=name,
        )
    return Wish(
        # In this order: of several faults the first one refuses the message.
        expiration=sent.read("expiration", _expiration),
        type=sent.read("optionType", fields.word, _OPTION_TYPES, "invalid-option-type"),
        intrinsic=sent.read("intrinsicValue", fields.word, _INTRINSIC, "invalid-intrinsic-value"),
        strike_count=sent.read("strikeCount", fields.whole, "invalid-strike-count", 1, 1000),
        strikes_away=sent.read("strikesAway", fields.whole, "invalid-strikes-away", -1000, 1000),
        strike_price=sent.read("strikePrice", fields.above_zero, "invalid-strike-price"),
    )


def _expiration(name: str, value: object) -> str:
    expiration = options.expiration(value)
    if expiration is None:
        fields.refuse_placeholder(name, value)
        raise invalid(
            "invalid-expiration",
            f"{name} is {fields.shown(value)}. Send a date such as 2026-12-18, or +30 days.",
            field=name,
        )
    return expiration
