"""What a broker calls contracts, kept only where it looks like a name."""

from __future__ import annotations

import pytest

from brokers.domain.tickers import LONGEST, is_ticker, of_broker


@pytest.mark.parametrize("text", ["SPY", "BRK.B", "MNQZ2026", "ES1!", "EURUSD", "SPY 261218C500.5", "WFC.PRL"])
def test_a_ticker_is_what_a_signal_may_name(text: str) -> None:
    assert is_ticker(text)


@pytest.mark.parametrize("text", ["", "spy", "<B>", "=SPY", "SPY\n", "A" * 41, "SPY SPY", "\u0410\u0410PL"])
def test_nothing_else_is_one(text: str) -> None:
    assert not is_ticker(text)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("AAPL", "AAPL"),
        ("BBVA.RTS", "BBVA.RTS"),
        ("T 4 1/2 02/15/36", "T 4 1/2 02/15/36"),
        ("CASH  5.25%", "CASH 5.25%"),
        ("ESZ6 C5000", "ESZ6 C5000"),
        ("SPY DEC2026 500 C [SPY   261218C00500000 100]", "SPY 261218C500"),
        ("SPY DEC2026 500.5 P [SPY   261218P00500500 100]", "SPY 261218P500.5"),
        ("AAPL\n", "AAPL"),
    ],
)
def test_names_of_every_class_are_kept(spelled: str, name: str) -> None:
    assert of_broker(spelled, 7) == name


@pytest.mark.parametrize(
    "spelled",
    [
        "",
        "<IMG SRC=X ONERROR=ALERT(1)>",
        "'\"><H4-X4>",
        "=1+1",
        "+1",
        "-AAPL",
        "@SUM(A1)",
        "AAPL\u202eX",
        "AAPL\u0000",
        "HTTPS://EVIL.EXAMPLE/",
        "{{7*7}}",
        "A" * (LONGEST + 1),
        "\u0410\u0410PL",
    ],
)
def test_anything_else_is_shown_by_its_number(spelled: str) -> None:
    assert of_broker(spelled, 265598) == "contract 265598"
    assert not is_ticker("contract 265598"), "it is nobody's ticker"
