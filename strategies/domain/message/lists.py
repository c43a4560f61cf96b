"""Lists of tickers that people write: allowed ones, and those that are not to be opened. Read as signals are."""

from __future__ import annotations

import re
from datetime import datetime

from brokers.domain.tickers import LONGEST
from strategies.domain.message import options
from strategies.domain.message.kinds import Kind
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.symbols import shown
from strategies.domain.message.wishes import NO_WISH

# An option may have a blank in its name.
_WORD = re.compile(r"[A-Z]{1,6} +\d{6}[CP]\d[\d.]*(?![^\s,])|[^\s,]+")
# In the order in which a word that several classes could have is taken.
_ANY = (Kind.STOCK, Kind.FUTURE, Kind.FOREX, Kind.CFD, Kind.OPTION, Kind.CRYPTO)
_OF_ANOTHER_CLASS = frozenset({"invalid-asset-class", "ticker-does-not-exist"})


def words(text: str) -> list[str]:
    """The words of a list that is separated by blanks, lines or commas."""
    return _WORD.findall(text.upper())


def read(word: str, kind: Kind | None, now: datetime) -> str:
    """The name of what a word stands for, on a list for this class or, without one, for all; raises Refused."""
    word = word.strip().upper()
    if len(word) > LONGEST:
        raise invalid(
            "ticker-does-not-exist",
            f"{shown(word)}… is longer than any ticker. Put blanks or commas between tickers.",
            field="ticker",
        )
    if kind is not None:
        return _name(word, kind, now)
    refusals = []
    for each in _ANY:
        try:
            return _name(word, each, now)
        except Refused as refused:
            refusals.append(refused)
    # What one class knows and does not take says more than that no class knows it.
    known = next((refused for refused in refusals if refused.code not in _OF_ANOTHER_CLASS), None)
    raise known or _unknown(word)


def _name(word: str, kind: Kind, now: datetime) -> str:
    symbol = options.symbol_of(word, kind, NO_WISH, now)
    if symbol.kind is Kind.FUTURE_OPTION:
        if not symbol.facts.get("scan"):
            sentence = f"{word} is one contract. List what the options are on, {symbol.root}, for all of them."
            raise invalid("option-on-a-list", sentence, field="ticker")
        return symbol.root
    if kind is Kind.OPTION and symbol.name != symbol.root:
        sentence = f"{word} is one contract. List what the options are on, {symbol.root}, for all of them."
        raise invalid("option-on-a-list", sentence, field="ticker")
    if kind is Kind.FUTURE and word.endswith("!"):
        sentence = f"{word} is a continuous contract. List its root, {symbol.root}, for all of its months."
        raise invalid("continuous-on-a-list", sentence, field="ticker")
    return symbol.name


def _unknown(word: str) -> Refused:
    sentence = f"{shown(word)} is no ticker. Write it as signals name it, such as AAPL, BRK.B, MNQ, MNQZ2027 or EURUSD."
    return invalid("ticker-does-not-exist", sentence, field="ticker")
