"""Prompts by the stream: `ntf` carries what IBKR only tells, and what it wants answered with one of some options. Pure.

A gateway sends `args` as a list; IBKR's page shows one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokers.domain.brokerage import Prompt
from brokers.ibkr.outcomes import prompt_of

# Of one message. IBKR sends one.
MOST = 10


def of(args: Any) -> tuple[Prompt, ...]:
    """The prompts of a message that name an order and a request: without both nothing can be answered."""
    rows = [args] if isinstance(args, Mapping) else args[:MOST] if isinstance(args, list) else []
    read = (prompt_of(row) for row in rows if isinstance(row, Mapping) and row.get("prompt") is True)
    return tuple(prompt for prompt in read if prompt.broker_order_id.isdecimal() and prompt.request_id)
