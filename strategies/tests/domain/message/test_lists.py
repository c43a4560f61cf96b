"""Lists of tickers that people write: read by the grammar of signals, for one class or for all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from brokers.domain.tickers import is_ticker
from strategies.domain.message import lists
from strategies.domain.message.kinds import Kind
from strategies.domain.message.refusals import Refused

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gme, amc", ["GME", "AMC"]),
        (" GME,,AMC\n\tBRK.B ", ["GME", "AMC", "BRK.B"]),
        ("SPY 270115C600.5, QQQ", ["SPY 270115C600.5", "QQQ"]),
        ("SPY   270115P600 QQQ", ["SPY   270115P600", "QQQ"]),
        ("SPY 270115C600<b>", ["SPY", "270115C600<B>"]),
        ("", []),
    ],
)
def test_words_are_parted_by_blanks_and_commas(text: str, words: list[str]) -> None:
    assert lists.words(text) == words


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("gme", "GME"),
        ("BRK-B", "BRK.B"),
        ("brk/b", "BRK.B"),
        ("NASDAQ:AAPL", "AAPL"),
        ("MNQ", "MNQ"),
        ("MNQZ6", "MNQZ2026"),
        ("EURUSD", "EURUSD"),
        ("EUR.USD", "EURUSD"),
        ("BTC-USD", "BTCUSD"),
        ("SPX", "SPX"),
    ],
)
def test_a_list_for_all_takes_what_any_class_names(word: str, name: str) -> None:
    read = lists.read(word, None, NOW)
    assert read == name
    assert lists.read(read, None, NOW) == name, "what is kept reads as itself"
    assert is_ticker(read)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("<SCRIPT>ALERT(1)</SCRIPT>", "ticker-does-not-exist"),
        ("'\"><IMG", "ticker-does-not-exist"),
        ("=CMD|'/C CALC'!A1", "ticker-does-not-exist"),
        ("@SUM(A1)", "ticker-does-not-exist"),
        ("-AAPL", "ticker-does-not-exist"),
        ("AAPL\u202eLPAA", "ticker-does-not-exist"),
        ("\uff27\uff2d\uff25", "ticker-does-not-exist"),
        ("A" * 41, "ticker-does-not-exist"),
        ("../../ETC", "ticker-does-not-exist"),
        ("{{TICKER}}", "ticker-does-not-exist"),
        ("ES1!", "continuous-on-a-list"),
        ("SPY 270115C600", "option-on-a-list"),
        ("SPY_011527C600", "option-on-a-list"),
        ("ESZ2024", "contract-expired"),
        ("SPY 200117C300", "contract-expired"),
        ("NOWHERE:AAPL", "unknown-exchange"),
    ],
)
def test_what_no_class_names_is_refused_with_a_code(word: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        lists.read(word, None, NOW)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")
    assert len(refused.value.message) < 250
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("EURUSD", Kind.STOCK, "invalid-asset-class"),
        ("AAPL.TOOLONG", Kind.STOCK, "ticker-does-not-exist"),
        ("<B>", Kind.FUTURE, "ticker-does-not-exist"),
        ("<B>", Kind.OPTION, "ticker-does-not-exist"),
        ("SPY 270115C600", Kind.OPTION, "option-on-a-list"),
        ("MNQ2!", Kind.FUTURE, "continuous-on-a-list"),
    ],
)
def test_a_list_for_one_class_takes_that_class(word: str, kind: Kind, code: str) -> None:
    with pytest.raises(Refused) as refused:
        lists.read(word, kind, NOW)
    assert refused.value.code == code
