"""What goes back over the wire, before it is a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Answer:
    """What goes back: a JSON body, or plain text."""

    body: Any = None
    status: int = 200
    text: str | None = None
    kind: str = "application/json"


def error(text: str, status: int = 400, *, with_code: bool = True) -> Answer:
    """A refusal; some carry their status in the body, some do not."""
    body: dict[str, Any] = {"error": text}
    if with_code:
        body["statusCode"] = status
    return Answer(body, status)
