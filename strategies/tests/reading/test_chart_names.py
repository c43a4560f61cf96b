"""Names as charts have them, of every class and many exchanges: each means exactly one thing, or is refused in a sentence."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brokers.domain.contracts.options import CHAIN
from brokers.domain.tickers import is_ticker
from strategies.domain.message import options
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.message.wishes import NO_WISH

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
with Path(__file__).with_name("chart_names.csv").open(encoding="utf-8", newline="") as file:
    NAMES = [(Kind(row["class"]), row["ticker"], row["meaning"]) for row in csv.DictReader(file)]


def test_the_table_has_many_names_of_many_exchanges_and_every_class() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 150
    traded = [ticker for _, ticker, meaning in NAMES if ":" in ticker and not meaning.startswith("!")]
    assert len({ticker.partition(":")[0] for ticker in traded}) >= 20
    assert {kind for kind, _, _ in NAMES} == set(Kind) - {Kind.OPTION}


def read(ticker: str, kind: Kind) -> Symbol:
    return options.symbol_of(ticker, kind, NO_WISH, NOW)


@pytest.mark.parametrize(("kind", "ticker", "meaning"), NAMES)
def test_a_name_of_a_chart_means_one_thing_or_is_refused(kind: Kind, ticker: str, meaning: str) -> None:
    if meaning.startswith("! "):
        with pytest.raises(Refused) as refused:
            read(ticker, kind)
        sentence = str(refused.value)
        assert (refused.value.code, sentence[-1]) == (meaning[2:], ".")
        assert ticker in sentence or ticker.partition(":")[2] in sentence or "Send " in sentence
        return
    symbol = read(ticker, kind)
    assert (symbol.name, symbol.kind) == (meaning, kind)
    assert is_ticker(meaning.removesuffix(CHAIN))
    # What is stored reads as the same thing, and the name read again names the same.
    assert Symbol.from_reading(symbol.canonical()) == symbol
    assert read(meaning.removesuffix(CHAIN), kind).name == meaning
    instrument = symbol.instrument()
    assert (
        kind is Kind.CRYPTO
        if instrument is None
        else (instrument.ticker, str(instrument.asset_class)) == (meaning, kind)
    )
