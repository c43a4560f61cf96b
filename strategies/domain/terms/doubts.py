"""Terms that go together, and that some senders' messages do not fit: what to look at before they trade."""

from __future__ import annotations

from strategies.domain.terms.terms import Sides, Terms


def doubts(terms: Terms) -> list[str]:
    """Each doubt as a sentence with an example."""
    return [_REVERSAL] if _reversal_may_open_too_much(terms) else []


def _reversal_may_open_too_much(terms: Terms) -> bool:
    signal_sizes = terms.allow_overrides or "quantity" in terms.signal_fields
    swaps = terms.allow_swap and terms.sides is not Sides.NONE
    return swaps and signal_sizes and not terms.subtract_exit_quantity


_REVERSAL = (
    "Does the quantity of a reversal include the exit? At TradingView it does: 45 long, a sell of 90 with sentiment short "
    "ends 90 short by these terms, and 45 short with \u201cThe exit counts toward the signal's quantity\u201d. Switch that on for such "
    "a sender, or send prevMarketPositionSize, as our text for TradingView strategies does: it ends 45 short either way."
)
