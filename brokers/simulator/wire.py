"""What goes back over the wire, before it is a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Answer:
    """What goes back: a JSON body, plain text, or bytes."""

    body: Any = None
    status: int = 200
    text: str | None = None
    kind: str = "application/json"
    # Sent beside the usual ones, or instead of them; and the body as it is, where it is neither JSON nor text.
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


def error(text: str, status: int = 400, *, with_code: bool = True) -> Answer:
    """A refusal; some carry their status in the body, some do not."""
    body: dict[str, Any] = {"error": text}
    if with_code:
        body["statusCode"] = status
    return Answer(body, status)
