"""`legs`: two options that are bought or sold as one order, a vertical or a calendar; or a refusal.

Whichever way round the legs are written, the message means one combo, that which costs money to buy
(`brokers.domain.contracts.combos`): who sells the dear leg and buys the cheap one sells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.domain.contracts.combos import ComboName, NotACombo, combo_of
from brokers.domain.contracts.options import OptionName, named
from brokers.domain.sentences import any_of
from strategies.domain.message import options, symbols
from strategies.domain.message.message import Action
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.symbols import WORDS, Kind, Symbol
from strategies.domain.message.wishes import NO_WISH, Wish
from strategies.domain.numbers import plain
from strategies.reading import fields
from strategies.reading.fields import names
from strategies.reading.sent import OPTION_FIELDS, SentFields
from strategies.reading.strict_json import printable

FIELD = "legs"
EXAMPLE = '"legs": [{"ticker": "SPY 261218C640", "side": "buy"}, {"ticker": "SPY 261218C650", "side": "sell"}]'
# What opens something, or may: there a message with legs is never read as one about its ticker alone.
_OPENS = frozenset({Action.BUY, Action.SELL, Action.ADD, Action.REVERSE})
# Each with what it is of a combo that is turned.
_ACTIONS = {
    Action.BUY: Action.SELL,
    Action.SELL: Action.BUY,
    **{each: each for each in (Action.EXIT, Action.CANCEL, Action.MODIFY)},
}
_BY_PARTS = names("optionType expiration strikePrice")
_OF_A_LEG = frozenset({"ticker", "side", "ratio", *_BY_PARTS})
_SIDES = fields.vocabulary("buy sell")
_RIGHTS = fields.vocabulary("call put")
# What an order waits for that IBKR's Web API does not carry for a combo: left out, it would leave at once.
_WAITS = names("stopPrice touchPrice trailAmount trailPercent limitOffset")
# With that what it does not carry either, or what would be about one leg of it.
_NOT_WITH_LEGS = (
    *_WAITS,
    *names("stopLoss takeProfit breakevenOffset"),
    *names("sentiment targetQuantity marketPosition marketPositionSize prevMarketPosition prevMarketPositionSize"),
    *names("extendedHours"),
    *OPTION_FIELDS,
)
_TYPES, _TIMES = ("market", "limit"), ("day", "gtc", "gtd")
_SIZES = ("fixed_quantity", "percent_of_position")
_CLOSES = frozenset({Action.EXIT, Action.CANCEL})
# Their limit has a size and no sign: the order that it is of says which way the money goes.
_UNSIGNED = _CLOSES | {Action.MODIFY}


@dataclass(frozen=True, slots=True)
class Meant:
    """The combo of a message, and the action on it."""

    symbol: Symbol
    action: Action


def read(sent: SentFields, action: Action, kind: Kind, now: datetime) -> Meant | None:
    """What a message with legs means, None where it has none; raises Refused.

    The message's limitPrice becomes that of the combo, above zero; a price of the chart informs of the share alone.
    """
    if FIELD not in sent.known or not _is_meant(sent, action, kind):
        return None
    _check_beside(sent, action, kind)
    bought, sold = _legs(sent.value(FIELD), action, now)
    _check_ticker(sent.value("ticker"), bought)
    try:
        name, turned = combo_of(bought, sold)
    except NotACombo as refusal:
        raise invalid(refusal.code, str(refusal), field=FIELD) from None
    if "limitPrice" in sent.known:
        sent.known["limitPrice"] = _limit(sent, name, turned, signed=action not in _UNSIGNED)
    for price in names("price signalPrice"):
        if sent.known.pop(price, None) is not None:
            sent.warnings.append(f"price-beside-legs:{price}")
    return Meant(symbol_of(name), _ACTIONS[action] if turned else action)


def _is_meant(sent: SentFields, action: Action, kind: Kind) -> bool:
    """Whether `legs` are two options as one. Empty ones are none; and of a message that opens nothing anything else than a list
    of objects, beside options, is the sender's own: a way out is not refused for it."""
    legs = sent.value(FIELD)
    meant = bool(legs)
    if meant and action not in _OPENS:
        meant = kind.is_option and isinstance(legs, list) and all(isinstance(each, dict) for each in legs)
    if not meant:
        del sent.known[FIELD]
        sent.warnings.append(f"unknown-field:{FIELD}")
    return meant


def symbol_of(name: ComboName) -> Symbol:
    """What a combo is among the symbols of messages."""
    facts = {"underlying": name.underlying, "long": str(name.long), "short": str(name.short)}
    return Symbol(Kind.OPTION, str(name), name.underlying, facts)


def _check_beside(sent: SentFields, action: Action, kind: Kind) -> None:
    """Refuse what does not go with legs."""
    if kind is not Kind.OPTION:
        sentence = f"legs are options, and this strategy trades {WORDS[kind][1]}. Leave them out."
        raise invalid("invalid-asset-class", sentence, field=FIELD)
    if action not in _ACTIONS:
        sentence = (
            f"A combo is opened by buy or sell, changed by modify and closed by exit; {action} does not go with legs."
        )
        raise invalid("invalid-combo-action", sentence, field="action")
    if action in _CLOSES:
        _leave_out(sent, action)
    if name := next((name for name in _NOT_WITH_LEGS if name in sent.known), None):
        if name in OPTION_FIELDS:
            sentence = f"{name} beside legs says nothing of a leg. Write it into the leg that it is about."
        else:
            sentence = f"{name} does not go with legs: IBKR takes a combo as a market or a limit order. Leave it out."
            if action in _OPENS:
                sentence += " A combo is closed by the action exit."
        raise invalid("not-with-legs", sentence, field=name)
    for name, allowed in (("orderType", _TYPES), ("timeInForce", _TIMES)):
        value = sent.value(name)
        if isinstance(value, str) and not fields.find_placeholder(value) and value.strip().lower() not in allowed:
            sentence = f"{name} {fields.shown(value)} does not go with legs. Send {any_of(allowed)}."
            raise invalid("not-with-legs", sentence, field=name)
    sizing = sent.value("quantityType")
    if action not in _CLOSES and isinstance(sizing, str) and sizing.strip().lower() not in _SIZES:
        sentence = (
            f"quantityType {fields.shown(sizing)} does not go with legs. Send how many combos, with fixed_quantity."
        )
        raise invalid("not-with-legs", sentence, field="quantityType")


def _leave_out(sent: SentFields, action: Action) -> None:
    """Leave out what does not go with legs: a way out is not refused for what a text that serves all actions has beside it.

    What an exit waits for stays, and refuses it: it would leave now.
    """
    waits: tuple[str, ...] = _WAITS if action is Action.EXIT else ()
    out = [name for name in _NOT_WITH_LEGS if name in sent.known and name not in waits]
    for name, taken in (("orderType", _TYPES), ("timeInForce", _TIMES)):
        value = None if name == "orderType" and waits else sent.value(name)
        if value is not None and not (isinstance(value, str) and value.strip().lower() in taken):
            out.append(name)
    for name in out:
        del sent.known[name]
        sent.warnings.append(f"not-with-legs:{name}")


def _check_ticker(ticker: Any, leg: OptionName) -> None:
    _, written = symbols.split_exchange(str(ticker))
    if written.replace("/", ".").replace("-", ".") != leg.underlying:
        sentence = f"ticker is {fields.shown(ticker)}, and the legs are options on {leg.underlying}. Send {leg.underlying} as ticker."
        raise invalid("legs-of-another-ticker", sentence, field="ticker")


def _limit(sent: SentFields, name: ComboName, turned: bool, *, signed: bool) -> Decimal:
    """The limit as a price of the combo, above zero; as written it is that of the legs, and a credit below zero."""
    value = sent.value("limitPrice")
    fields.refuse_placeholder("limitPrice", value)
    written = fields.number(value)
    if written is None:
        sentence = f"limitPrice is {fields.shown(value)}, which is not a number. Send digits only, such as 3.2 or -3.2."
        raise invalid("invalid-limit-price", sentence, field="limitPrice")
    limit = -written if turned else written
    if limit < 0 and not signed:
        # Whichever way the money goes, there is one price at which it may leave.
        sent.warnings.append("sign-beside-legs:limitPrice")
        limit = -limit
    if limit <= 0:
        size = abs(written) or Decimal(1)
        way, sign = ("brings money in", "below") if turned else ("costs money", "above")
        example = plain(-size if turned else size)
        sentence = f"Opening these legs as they are written {way}, so limitPrice is {sign} zero, such as {example}."
        raise invalid("invalid-limit-price", sentence, field="limitPrice")
    if name.width is not None and limit >= name.width and signed:
        sentence = (
            f"A {name.spoken} is never worth {plain(name.width)} or more, and limitPrice is {plain(written)}. "
            "It is the price of one combo, both legs together."
        )
        raise invalid("invalid-limit-price", sentence, field="limitPrice")
    return limit


def _legs(value: object, action: Action, now: datetime) -> tuple[OptionName, OptionName]:
    """What is bought and what is sold."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, dict) for each in value):
        count = f"{len(value)} of them" if isinstance(value, list) else fields.shown(value)
        raise _unfit(f"legs are {count}. Send two: {EXAMPLE}.")
    legs: list[tuple[str, OptionName]] = []
    over = None
    for number, each in enumerate(value):
        try:
            legs.append(_leg(each, f"legs[{number}]", now))
        except Refused as refusal:
            if refusal.code != "contract-expired" or action is not Action.EXIT:
                raise
            over = refusal
    if over is not None:
        raise _half_over(over, [option for _, option in legs])
    sides = [side for side, _ in legs]
    if sides[0] == sides[1]:
        sentence = f"Both legs are {'bought' if sides[0] == 'buy' else 'sold'}. One is bought and one is sold."
        raise invalid("legs-on-one-side", sentence, field=FIELD)
    of = dict(legs)
    return of["buy"], of["sell"]


def _half_over(refusal: Refused, left: list[OptionName]) -> Refused:
    """An exit of a combo of which a leg has ended, with what closes the other one."""
    if not left:
        return refusal
    said, _, _ = refusal.message.rpartition(". ")
    return Refused(
        refusal.status,
        refusal.code,
        f'{said}. What is left is closed by its own name: send {{"ticker": "{left[0]}", "action": "exit"}}.',
        field=FIELD,
    )


def _leg(leg: dict[str, Any], where: str, now: datetime) -> tuple[str, OptionName]:
    if "limitPrice" in leg:
        sentence = f"{where}.limitPrice would be a limit of one leg, which IBKR's Web API does not take. Send limitPrice beside legs."
        raise invalid("not-with-legs", sentence, field=FIELD)
    if unknown := sorted(set(leg) - _OF_A_LEG):
        raise _unfit(f"{where} has {printable(unknown[0])}, which is no field of a leg. Send it like {EXAMPLE}.")
    side: str = fields.word(f"{where}.side", leg.get("side"), _SIDES, "invalid-legs")
    ratio = fields.number(leg.get("ratio", 1))
    if ratio != 1:
        sentence = (
            f"{where}.ratio is {fields.shown(leg.get('ratio'))}. Halyard trades combos of one to one: leave it out."
        )
        raise invalid("leg-ratio", sentence, field=FIELD)
    return side, _option(leg, where, now)


def _option(leg: dict[str, Any], where: str, now: datetime) -> OptionName:
    ticker = leg.get("ticker")
    parts = [name for name in _BY_PARTS if name in leg]
    if ticker is not None and (not isinstance(ticker, str) or not ticker.strip()):
        raise _unfit(f"{where}.ticker is {fields.shown(ticker)}. Send the option's name, like SPY 261218C640.")
    fields.refuse_placeholder(f"{where}.ticker", ticker)
    try:
        if parts and len(parts) < len(_BY_PARTS):
            raise _unfit(f"{where} names an option by its parts and lacks some. Send all of {', '.join(_BY_PARTS)}.")
        symbol = options.read(str(ticker or ""), _wish(leg, where) if parts else NO_WISH, now)
    except Refused as refusal:
        raise Refused(refusal.status, refusal.code, f"{where}: {refusal.message}", field=FIELD) from None
    name = named(symbol.name)
    if symbol.kind is Kind.FUTURE_OPTION or (name is not None and name.future):
        raise _unfit(
            f"{where} is an option on a future, of which Halyard trades no combos. Send each leg as an order of its own."
        )
    if name is None:
        raise _unfit(
            f"{where} does not name one option. Send its name, like SPY 261218C640, or the underlying as its ticker with "
            f"{', '.join(_BY_PARTS)}."
        )
    return name


def _wish(leg: dict[str, Any], where: str) -> Wish:
    right: str = fields.word(f"{where}.optionType", leg["optionType"], _RIGHTS, "invalid-legs")
    day = options.expiration(leg["expiration"])
    if day is None or day.startswith("+"):
        raise _unfit(f"{where}.expiration is {fields.shown(leg['expiration'])}. Send a date such as 2026-12-18.")
    strike = fields.above_zero(f"{where}.strikePrice", leg["strikePrice"], "invalid-legs")
    return Wish(type=right, expiration=day, strike_price=strike)


def _unfit(sentence: str) -> Refused:
    return invalid("invalid-legs", sentence, field=FIELD)
