"""Sentences around somebody else's words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.sentences import cut, ended, grouped


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("too risky", "too risky."), ("No!", "No!"), ("why?", "why?"), ("Done.", "Done."), (" odd ", "odd."), ("", "")],
)
def test_a_sentence_ends(text: str, sentence: str) -> None:
    assert ended(text) == sentence


def test_what_does_not_fit_says_that_there_was_more() -> None:
    assert cut("a" * 10, 10) == "a" * 10
    assert cut("a word more", 8) == "a word…"


@pytest.mark.parametrize(
    ("value", "text"), [("12345", "12,345"), ("1E+4", "10,000"), ("1234.50000000", "1,234.5"), ("0.25", "0.25")]
)
def test_thousands_are_grouped(value: str, text: str) -> None:
    assert grouped(Decimal(value)) == text
