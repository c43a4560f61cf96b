"""Reads JSON as strictly as its standard: one object, no NaN, no key twice, exact decimals."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from json import JSONDecodeError
from typing import Any, NoReturn
from urllib.parse import unquote_plus

from strategies.domain.message.refusals import Refused, invalid

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # an escaped NUL, not an escaped backslash before u0000
_QUOTES = re.compile("[\u201c\u201d\u2018\u2019\u00ab\u00bb]")
MOST_NESTING = 32
_EXAMPLE = '{"ticker": "SPY", "action": "buy", "quantity": 1}'


def read_text(text: str) -> dict[str, Any]:
    """The JSON object of a text that `text_of` returned, numbers as int or Decimal; raises Refused."""
    if not text:
        raise invalid("empty-json", "The body is empty. Send one JSON object.", hint=_EXAMPLE)
    try:
        value = _DECODER.decode(text)
    except JSONDecodeError as error:
        raise _malformed(text, error) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise invalid("malformed-json", "The body holds a number that is too long. Send fewer digits.") from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
        raise invalid("invalid-payload", f"The body is {kind}. Send one JSON object for each signal.", hint=_EXAMPLE)
    if text.count("{") + text.count("[") > MOST_NESTING:
        _refuse_too_deep(value)
    if "\\u" in text:
        _refuse_unstorable(value)
    return value


def text_of(body: bytes) -> str:
    """The text of a body without byte order mark and outer white space; raises Refused when it is not UTF-8."""
    try:
        return body.decode().strip().lstrip("\ufeff").lstrip()
    except UnicodeDecodeError:
        raise invalid("malformed-json", "The body is not UTF-8 text. Send JSON encoded as UTF-8.") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise invalid(
            "duplicate-field",
            f"The field {printable(twice)} is in the message twice. Send it once.",
            field=printable(twice),
        )
    return values


def _constant(name: str) -> NoReturn:
    raise invalid("malformed-json", f"{name} is not JSON. Leave the field out when there is no number.")


# strict: no raw control characters inside strings, which also keeps NUL out.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Decimal, parse_constant=_constant, strict=True)


def _malformed(text: str, error: JSONDecodeError) -> Refused:
    where = f"at line {error.lineno}, column {error.colno}"
    hint = _EXAMPLE
    if form_field(text):
        why = "it is form-encoded; send the object itself with Content-Type: application/json"
    elif _PINE_ID.search(text):
        why = 'its ticker is the id of a chart in Pine, ={"session": ...}; send {{ticker}} or syminfo.ticker'
    elif _QUOTES.search(text):
        why = "it has curly quotation marks; use straight ones"
    elif text.startswith("'") or "{'" in text:
        why = 'it has single quotation marks; use "double" ones'
    elif error.msg.startswith("Invalid control character"):
        why = f"there is a line break or a tab inside a text, {where}; write \\n for it, or leave it out"
    elif _is_in_a_text(text, error):
        why = f'there is a quotation mark inside a text, {where}; write \\" for it, or leave it out'
    elif "{{" in text:
        why = f"it is wrong {where}; a placeholder such as {{{{close}}}} was not replaced by the sender"
    elif error.msg.startswith("Extra data"):
        why = f"there is more text after the object, {where}; send one object for each request"
    else:
        why = f"it is wrong {where}; a comma too many or too few is the usual cause"
    return invalid("malformed-json", f"The body is not JSON: {why}.", hint=hint)


_FORM = re.compile(r"[A-Za-z_]{0,40}=?(?:%7B|\{)", re.IGNORECASE)
_PINE_ID = re.compile(r'"=\{"')


def form_field(text: str) -> str:
    """The JSON inside a form: `payload={...}`, an escaped `%7B...`, or `{...}=`; empty where it is no form."""
    head = _FORM.match(text)
    if head is None or (text.startswith("{") and not text.endswith("}=")):
        return ""
    inner = text.removesuffix("=") if text.startswith("{") else text[text.find("=") + 1 :] if "=" in head[0] else text
    plain = unquote_plus(inner) if "%" in inner else inner
    plain = plain.strip().removesuffix("=")
    return plain if plain.startswith("{") and plain.endswith("}") else ""


def _is_in_a_text(text: str, error: JSONDecodeError) -> bool:
    """Whether a text ended where a letter follows it: a quotation mark that belongs to the text."""
    return (
        error.msg.startswith(("Expecting ','", "Expecting ':'"))
        and text[error.pos : error.pos + 1] not in {'"', "{", "["}
        and text[: error.pos].rstrip().endswith('"')
    )


def _refuse_too_deep(value: dict[str, Any]) -> None:
    """No signal is this deep, and the recursive readers that follow would run out of stack."""
    level: list[Any] = [value]
    for _ in range(MOST_NESTING):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Refused:
    return invalid("malformed-json", "The body is nested too deeply to be a signal. Send a flat object.")


def _refuse_unstorable(value: dict[str, Any]) -> None:
    """Escapes can spell what the database cannot hold: NUL, and halves of a surrogate pair."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    try:
        written.encode()
    except UnicodeEncodeError:
        raise invalid("malformed-json", "The body has half of a surrogate pair. Send whole characters.") from None
    if _NUL.search(written):
        raise invalid("malformed-json", "The body has a NUL character (\\u0000). Leave it out.")


def printable(text: str, length: int = 40) -> str:
    """Foreign text, made fit for a sentence or a log line."""
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[: length + 1])
    return clean if len(clean) <= length else clean[:length] + "…"
