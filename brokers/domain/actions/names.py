"""Names of one share: IBKR's list has the symbol alone, ours has its exchange abroad; whichever was read last is in the copy."""

from __future__ import annotations


def are_one(one: str, other: str) -> bool:
    """Whether two names may be of one share: the same symbol, and the same exchange where both name it."""
    (exchange, symbol), (other_exchange, other_symbol) = _parts(one), _parts(other)
    if not symbol or symbol != other_symbol:
        return False
    return not exchange or not other_exchange or exchange == other_exchange


def ours(one: str, other: str) -> str:
    """Of two names of one share the one with its exchange."""
    return other if not one or (":" in other and ":" not in one) else one


def _parts(ticker: str) -> tuple[str, str]:
    exchange, _, symbol = ticker.rpartition(":")
    return exchange, symbol.rstrip(".").replace("_", ".").replace(" ", ".")
