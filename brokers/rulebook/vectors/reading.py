"""Reads the dictionaries of vectors as the rulebook's own values; BadInput names a field that cannot be read."""

import reprlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.rulebook.calendars import Calendar, calendar
from brokers.rulebook.errors import BadInput
from brokers.rulebook.fills.market import Candle, Feed, Market, QuoteBar, Settings, Tick, TradeBar
from brokers.rulebook.values import ONE, ZERO, Instrument, OpenOrder, Order, Position

Fields = Mapping[str, Any]
MOST_DIGITS = 100


def number(fields: Fields, key: str, default: Decimal | None = None) -> Decimal:
    """A number that must be there, unless a default stands for it."""
    value = maybe(fields, key)
    if value is not None:
        return value
    if default is None:
        raise BadInput(key, problem="it is missing")
    return default


def maybe(fields: Fields, key: str) -> Decimal | None:
    value = _value(fields, key)
    return None if value is None or value == "" else decimal(value, key)


def decimal(value: Any, name: str) -> Decimal:
    """One number as it is written; one that is too long to calculate with is none."""
    try:
        exact = Decimal(str(value))
    except (InvalidOperation, ValueError):
        # Python itself refuses to write out a whole number of thousands of digits.
        raise BadInput(name, problem=f"{shown(value)} is not a number") from None
    if not exact.is_finite():
        raise BadInput(name, problem=f"{shown(value)} is not a number")
    if abs(exact.adjusted()) > MOST_DIGITS or len(exact.as_tuple().digits) > MOST_DIGITS:
        raise BadInput(name, problem=f"{shown(value)} is out of all proportion")
    return exact


def shown(value: Any) -> str:
    """A value as a sentence shows it: cut where it is long, "it" where Python refuses to write it out."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return "it"


def _value(fields: Fields, key: str) -> Any:
    if not isinstance(fields, Mapping):
        raise BadInput(key, problem="it is missing")
    return fields.get(key)


def text(fields: Fields, key: str) -> str:
    value = _value(fields, key)
    if not isinstance(value, str) or not value:
        raise BadInput(key, problem="it is missing")
    return value


def word(fields: Fields, key: str) -> str | None:
    """A word that may be missing."""
    return text(fields, key) if _value(fields, key) else None


def part(fields: Fields, key: str) -> Fields:
    value = _value(fields, key)
    if not isinstance(value, Mapping):
        raise BadInput(key, problem="it is missing")
    return value


def maybe_part(fields: Fields, key: str) -> Fields:
    """A part that may be missing, then empty."""
    return part(fields, key) if _value(fields, key) else {}


def parts(fields: Fields, key: str) -> list[Any]:
    value = _value(fields, key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadInput(key, problem="it must be a list")
    return value


def instant(fields: Fields, key: str) -> datetime:
    value = text(fields, key)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise BadInput(key, problem=f"{shown(value)} is not a time") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def maybe_instant(fields: Fields, key: str) -> datetime | None:
    return instant(fields, key) if _value(fields, key) else None


def maybe_day(fields: Fields, key: str) -> date | None:
    return day(fields[key], key) if _value(fields, key) else None


def day(value: Any, name: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(name, problem=f"{shown(value)} is not a date") from None


def clock(value: Any, name: str) -> time:
    try:
        return time.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadInput(name, problem=f"{shown(value)} is not a time of day") from None


def read_calendar(fields: Fields, key: str = "calendar") -> Calendar:
    row = part(fields, key)
    return calendar(text(row, "name")).with_days(
        holidays=_days(row, "holidays"),
        early_closes={
            day(at, "early_closes"): clock(close, "early_closes")
            for at, close in maybe_part(row, "early_closes").items()
        },
        bank_holidays=_days(row, "bank_holidays"),
    )


def maybe_calendar(fields: Fields) -> Calendar | None:
    return read_calendar(fields) if fields.get("calendar") else None


def _days(row: Fields, key: str) -> frozenset[date]:
    return frozenset(day(value, key) for value in parts(row, key))


def read_order(row: Fields, *, beside: Fields | None = None) -> Order:
    """An order; `beside` are the fields around it, which hold its time in force and date in some vectors."""
    outer = beside or {}
    return Order(
        type=text(row, "type"),
        quantity=number(row, "quantity"),
        limit_price=maybe(row, "limit_price"),
        stop_price=maybe(row, "stop_price"),
        trigger_price=maybe(row, "trigger_price"),
        trailing_amount=maybe(row, "trailing_amount"),
        trailing_as_percentage=bool(row.get("trailing_as_percentage", False)),
        group_limit_price=maybe(row, "group_limit_price"),
        time_in_force=word(outer, "time_in_force") or "gtc",
        good_til_date=maybe_day(outer, "good_til_date"),
        outside_regular_hours=bool(outer.get("outside_regular_trading_hours", False)),
        submitted_at=maybe_instant(row, "time_utc"),
        stop_triggered=bool(row.get("stop_triggered", False)),
        trigger_touched=bool(row.get("trigger_touched", False)),
    )


def read_instrument(fields: Fields) -> Instrument:
    return Instrument(
        asset_class=text(fields, "asset_class"),
        symbol=word(fields, "symbol") or "",
        market=word(fields, "market"),
        currency=word(fields, "quote_currency") or "USD",
        base_currency=word(fields, "base_currency"),
        product=word(fields, "product") or "",
        multiplier=number(fields, "multiplier", ONE),
        lot_size=maybe(fields, "lot_size"),
        tick=maybe(fields, "tick"),
        tradable=bool(fields.get("tradable", True)),
        right=word(fields, "right"),
        strike=maybe(fields, "strike"),
        strike_multiplier=number(fields, "strike_multiplier", ONE),
        contract_unit=maybe(fields, "contract_unit"),
        style=word(fields, "style") or "american",
        expiry=maybe_day(fields, "expiry"),
        settlement=word(fields, "exercise_settlement") or "physical",
        cfd_kind=word(fields, "cfd_kind"),
    )


def read_position(row: Fields) -> Position:
    return Position(quantity=number(row, "quantity", ZERO), average_price=number(row, "average_price", ZERO))


def read_open_order(row: Fields) -> OpenOrder:
    return OpenOrder(base=text(row, "base"), quote=text(row, "quote"), order=read_order(row))


def read_numbers(row: Fields) -> dict[str, Decimal]:
    return {key: number(row, key) for key in row}


def read_market(row: Fields) -> Market:
    trade, quote = maybe_part(row, "trade_bar"), maybe_part(row, "quote_bar")
    return Market(
        trade_bar=TradeBar(start=instant(trade, "start_utc"), end=instant(trade, "end_utc"), candle=_candle(trade))
        if trade
        else None,
        quote_bar=QuoteBar(
            start=instant(quote, "start_utc"),
            end=instant(quote, "end_utc"),
            bid=_candle(part(quote, "bid")) if quote.get("bid") else None,
            ask=_candle(part(quote, "ask")) if quote.get("ask") else None,
        )
        if quote
        else None,
        ticks=tuple(_tick(tick) for tick in parts(row, "ticks")),
    )


def read_feed(row: Fields, market: Market | None = None) -> Feed:
    """What is subscribed; without a word on it, the kinds of data the market carries."""
    kinds = _kinds(market) if market else ("trade_bar", "quote_bar")
    if row.get("subscriptions") is not None:
        kinds = tuple(text({"subscriptions": kind}, "subscriptions") for kind in parts(row, "subscriptions"))
    return Feed(
        subscriptions=frozenset(kinds),
        resolution=word(row, "resolution") or "minute",
        extended_hours=bool(row.get("extended_hours", False)),
    )


def read_settings(row: Fields) -> Settings:
    seconds = number(row, "stale_price_seconds", Decimal(3600))
    return Settings(stale_after=timedelta(seconds=float(seconds)), slippage=number(row, "slippage", ZERO))


def _kinds(market: Market) -> tuple[str, ...]:
    present = (("trade_bar", market.trade_bar), ("quote_bar", market.quote_bar), ("tick", market.ticks))
    return tuple(kind for kind, data in present if data)


def _candle(row: Fields) -> Candle:
    return Candle(
        open=number(row, "open"), high=number(row, "high"), low=number(row, "low"), close=number(row, "close")
    )


def _tick(row: Fields) -> Tick:
    return Tick(
        at=instant(row, "time_utc"),
        kind=text(row, "kind"),
        price=number(row, "price", ZERO),
        bid=number(row, "bid", ZERO),
        ask=number(row, "ask", ZERO),
    )
