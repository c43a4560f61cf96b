"""What an engine checks by itself, before or beside the broker's own gate."""

from brokers.rulebook.answers import Denied
from brokers.rulebook.gate.checks import (
    Check,
    Question,
    closing_deadline,
    combo_ratios,
    exercise,
    lot,
    price,
    quantity,
    tradable,
    underlying_split,
)
from brokers.rulebook.words import FUTURE_CLASSES, OrderType

ENGINE_CHECKS: tuple[Check, ...] = (
    tradable,
    quantity,
    lot,
    closing_deadline,
    combo_ratios,
    exercise,
    price,
    underlying_split,
)


def futures_opening(question: Question) -> Denied | None:
    """An engine's own rule, not the broker's: futures and their options have no opening auction."""
    if question.order.type == OrderType.MARKET_ON_OPEN and question.instrument.asset_class in FUTURE_CLASSES:
        return question.rules.deny(
            "market_on_open_not_available_for_futures", asset_class=question.instrument.asset_class
        )
    return None
