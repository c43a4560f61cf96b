"""Sentences around somebody else's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

import pytest
from django.conf import settings

from brokers.domain.sentences import all_of, any_of, cut, ended, grouped


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


@pytest.mark.parametrize(
    ("words", "all_", "any_"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (["a", "b"], "a and b", "a or b"),
        (iter(["a", "b", "c"]), "a, b and c", None),
        (["a", "b", "c", "d"], "a, b, c and d", "a, b, c or d"),
    ],
)
def test_words_are_listed_as_people_list_them(words: Iterable[str], all_: str, any_: str | None) -> None:
    assert all_of(words) == all_
    if any_ is not None:
        assert any_of(words) == any_


def test_no_sentence_lists_words_by_itself() -> None:
    """One function does, so that three are listed as three."""
    for folder in ("accounts", "brokers", "strategies"):
        for path in (settings.BASE_DIR / folder).rglob("*.py"):
            if "tests" not in path.parts:
                assert not re.search(r"[\"'] (?:and|or) [\"']\.join", path.read_text(encoding="utf-8")), path
