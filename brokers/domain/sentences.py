"""Sentences that hold what somebody else wrote: they end, and say where they were cut."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal


def ended(text: str) -> str:
    """The text with a full stop, where it has no end of its own."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


def cut(text: str, most: int) -> str:
    """The text, or as much of it as fits, with a sign that there was more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def all_of(words: Iterable[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    return _listed(words, "and")


def any_of(words: Iterable[str]) -> str:
    """Words as a sentence offers them: a, b or c."""
    return _listed(words, "or")


def _listed(words: Iterable[str], before_last: str) -> str:
    *most, last = [*words] or [""]
    return f"{', '.join(most)} {before_last} {last}" if most else last


def grouped(value: Decimal) -> str:
    """A decimal as people read it: its thousands grouped, without trailing zeros."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
