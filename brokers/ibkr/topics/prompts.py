"""What IBKR says by the stream: `ntf` carries what it only tells, and what it wants answered with one of some options;
`blt` carries bulletins to everybody. Pure.

A gateway sends `args` as a list; IBKR's page shows one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokers.domain.brokerage import Prompt
from brokers.domain.questions import Told, Topic, page_of_ibkr
from brokers.ibkr.cleaning import name, one_line
from brokers.ibkr.outcomes import prompt_of

# Of one message. IBKR sends one.
MOST = 10


def of(args: Any) -> tuple[Prompt, ...]:
    """The prompts of a message that name an order and a request: without both nothing can be answered."""
    read = (prompt_of(row) for row in _rows(args) if row.get("prompt") is True)
    return tuple(prompt for prompt in read if _can_be_answered(prompt))


def told(topic: Topic, args: Any) -> tuple[Told, ...]:
    """The messages that want no answer, or to which none can be given: what says nothing is left out."""
    rows = [row for row in _rows(args) if not (row.get("prompt") is True and _can_be_answered(prompt_of(row)))]
    read = (
        Told(
            topic=topic,
            number=name(row.get("id")),
            title=one_line(row.get("title"), 200),
            text=one_line(row.get("text") or row.get("message"), 1000),
            url=page_of_ibkr(name(row.get("url"), 300)),
        )
        for row in rows
    )
    return tuple(each for each in read if each.title or each.text)


def _can_be_answered(prompt: Prompt) -> bool:
    return prompt.broker_order_id.isdecimal() and bool(prompt.request_id)


def _rows(args: Any) -> list[Mapping[str, Any]]:
    rows = [args] if isinstance(args, Mapping) else args[:MOST] if isinstance(args, list) else []
    return [row for row in rows if isinstance(row, Mapping)]
