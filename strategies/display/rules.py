"""The trading rules as people read them: rows of docs/trading-rules.md, the one place where they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_ROW = re.compile(r"\| ([A-Z]\d\d) \| (.+) \| (.+) \|")
_MARKED = re.compile(r"(`[^`]+`|\*[^*]+\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row. `mirrored`: it is read with buy and sell, long and short exchanged."""

    id: str
    section: str
    when: SafeString
    what: SafeString
    mirrored: bool = False


def rule(name: str) -> Rule | None:
    """The row behind a decision's rule id, `s` for its mirror; None for one this version does not know."""
    mirrored = name.endswith("s")
    row = table().get(name.removesuffix("s"))
    if row is None or not mirrored:
        return row
    return Rule(id=name, section=row.section, when=row.when, what=row.what, mirrored=True)


@cache
def table() -> Mapping[str, Rule]:
    """Every row by its id, in the order of the document."""
    text = (settings.BASE_DIR / "docs" / "trading-rules.md").read_text(encoding="utf-8")
    return {row.id: row for row in _rows(text)}


def _rows(text: str) -> Iterator[Rule]:
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif match := _ROW.fullmatch(line.strip()):
            name, when, what = match.groups()
            yield Rule(id=name, section=section, when=_html(when), what=_html(what))


def _html(text: str) -> SafeString:
    """The text with the two marks that the table uses."""
    return format_html_join("", "{}", ((_piece(each),) for each in _MARKED.split(text)))


def _piece(text: str) -> SafeString | str:
    if _MARKED.fullmatch(text):
        return format_html("<code>{}</code>" if text.startswith("`") else "<em>{}</em>", text[1:-1])
    return text
