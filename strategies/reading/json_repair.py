"""Suggests the JSON that a body was meant to be, where that is plain. For people: never applied to a signal."""

from __future__ import annotations

import json
import re

from strategies.reading.strict_json import form_field

_CURLY = str.maketrans({"\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": "'", "\u2019": "'"})
_TRAILING_COMMA = re.compile(r",(\s{0,200}[}\]])")
_BARE_PLACEHOLDER = re.compile(r"(:\s{0,20})(\{\{[A-Za-z_.0-9() \"]{1,60}\}\}|%[a-z_]{1,40}%)(?=\s{0,200}[,}])")
# A text from one quotation mark to the next, and a field's text up to the mark before the next field or the end.
_STRING = re.compile(r'"(?:[^"\\]|\\.){0,2000}"', re.DOTALL)
_FIELD = re.compile(
    r'("[A-Za-z_]{1,40}" ?: ?")([^\n]{0,500}?)"(?= {0,20}(?:\}|\n|, {0,20}\n? {0,20}"[A-Za-z_]{1,40}" ?:|,? {0,20}\n|$))'
)
_UNESCAPED = re.compile(r'(?<!\\)"')
_PINE_TICKER = re.compile(r'"=\{[^{}]{0,300}?"symbol" ?: ?"([A-Za-z0-9:._!/-]{1,40})"[^{}]{0,300}?\}"')


def fixed(text: str, changes: list[str]) -> str | None:
    """Curly and single quotation marks, a comma too many, placeholders without quotation marks."""
    if inner := form_field(text):
        changes.append("Taken out of the form: the body is the object itself.")
        return inner
    if match := _PINE_TICKER.search(text):
        changes.append("The chart's id became its symbol.")
        return text[: match.start()] + json.dumps(match[1]) + text[match.end() :]
    straight = text.translate(_CURLY)
    if straight != text:
        changes.append("Curly quotation marks made straight.")
        return straight
    if '"' not in text and "'" in text:
        changes.append("Single quotation marks made double.")
        return text.replace("'", '"')
    for pattern, replacement, change in (
        (_TRAILING_COMMA, r"\1", "The comma after the last value left out."),
        (_BARE_PLACEHOLDER, r'\1"\2"', "Placeholders put in quotation marks."),
    ):
        corrected_text = pattern.sub(replacement, text)
        if corrected_text != text:
            changes.append(change)
            return corrected_text
    return _escaped(text, changes)


def _escaped(text: str, changes: list[str]) -> str | None:
    """Line breaks and quotation marks inside of texts, escaped; only where each line is plainly one field."""
    pieces, breaks = _STRING.subn(lambda match: _without_breaks(match[0]), text)
    if pieces != text:
        changes.append("Line breaks and tabs inside texts written as \\n and \\t.")
        return pieces
    quoted = _FIELD.sub(lambda match: match[1] + _UNESCAPED.sub(r"\"", match[2]) + '"', text)
    if quoted != text and breaks:
        changes.append("Quotation marks inside a text escaped.")
        return quoted
    return None


def _without_breaks(string: str) -> str:
    return string.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n").replace("\t", "\\t")
