"""Translates IBKR's rules of a contract into ours. Pure. Bounds what a gateway says, and leaves unknown words out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from brokers.domain.contracts.rules import ContractRules, ContractTerms
from brokers.domain.orders import OrderType, TimeInForce
from brokers.ibkr.cleaning import mapping, text
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import permitted

_MOST = 60
_TYPES: Mapping[str, OrderType] = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "trailing_stop": OrderType.TRAILING_STOP,
    "mit": OrderType.MARKET_IF_TOUCHED,
    "lit": OrderType.LIMIT_IF_TOUCHED,
    "midprice": OrderType.MIDPRICE,
    "trailing_stop_limit": OrderType.TRAILING_STOP_LIMIT,
}
_AT_THE_CLOSE = {"marketonclose": OrderType.MARKET, "limitonclose": OrderType.LIMIT}
# CLS is no time at IBKR but a type of its own.
_TIMES = {time.upper(): time for time in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.OPG, TimeInForce.IOC)}
# Behind the slash of a time: works outside hours, may be worked by an algorithm.
_FLAGS = {"o", "a"}


def contract_terms(body: Any) -> ContractTerms:
    """What an answer to info-and-rules says."""
    row = mapping(body, "rules")
    accounts = permitted(body)
    return ContractTerms(
        permitted=None if accounts is None else tuple(accounts), rules=None if row.get("error") else contract_rules(row)
    )


def contract_rules(row: Mapping[str, Any]) -> ContractRules | None:
    """The rules of a contract; None where nothing of them is known to us."""
    named = _words(row.get("orderTypes"))
    # Where IBKR names no type that we know, it may have renamed them: nothing is ruled out by that.
    types = _known(named)
    times = tuple(_times(_words(row.get("tifTypes"))))
    closing = tuple(kind for word, kind in _AT_THE_CLOSE.items() if word in named)
    if times and closing:
        times = (*times, (TimeInForce.CLS, closing))
    rules = ContractRules(
        order_types=types,
        outside=_known(_words(row.get("orderTypesOutside"))),
        times=times,
        size_step=_step(row.get("sizeIncrement")),
    )
    return None if rules == ContractRules() else rules


def _times(words: Iterable[str]) -> Iterable[tuple[TimeInForce, tuple[OrderType, ...]]]:
    """Each time with the types that are named behind it; none of them named: all."""
    seen: set[TimeInForce] = set()
    for word in words:
        name, _, behind = word.partition("/")
        time = _TIMES.get(name.strip().upper())
        if time is None or time in seen:
            continue
        seen.add(time)
        kinds = [each.strip() for each in behind.split(",") if each.strip() not in _FLAGS | {""}]
        yield time, _known([kind.lower() for kind in kinds])


def _known(words: Iterable[str]) -> tuple[OrderType, ...]:
    named = set(words)
    return tuple(kind for word, kind in _TYPES.items() if word in named)


def _words(value: Any) -> list[str]:
    """The words of a list, as many and as long as a list of IBKR's may be."""
    return [text(each, 300) for each in value[:_MOST] if isinstance(each, str)] if isinstance(value, list) else []


def _step(value: Any) -> int | None:
    step = whole(value)
    return step if step is not None and 0 < step < 10**9 else None
