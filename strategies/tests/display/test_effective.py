"""Settings in effect: each value, and who set it."""

from __future__ import annotations

from decimal import Decimal as D

from brokers.domain.orders import OrderType
from strategies.display.effective import settings_in_effect
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import bracket, message


def test_every_value_says_where_it_comes_from() -> None:
    terms = Terms(quantity=D(5), order_type=OrderType.LIMIT, cancel_after=60, stop_loss=bracket("percent", 1))
    values = {value.label: value for value in settings_in_effect(message("buy", 3), terms, Terms(cancel_after=60))}
    assert (values["Quantity"].entry.text, values["Quantity"].entry.source) == ("3", "signal")
    assert (values["Order type"].entry.text, values["Order type"].entry.source) == ("limit", "subscription")
    assert (values["Cancel after"].entry.text, values["Cancel after"].entry.source) == ("60 s", "strategy")
    assert (values["Good for"].exit.text, values["Good for"].exit.source) == ("the day", "default")
    assert (values["Stop loss"].entry.text, values["Stop loss"].exit.text) == ("1 % away", "")
    full = {value.label: value for value in settings_in_effect(message("exit"), Terms(), None)}
    assert (full["Quantity"].entry.text, full["Quantity"].exit.text) == ("none: it would be rejected", "all of it")
