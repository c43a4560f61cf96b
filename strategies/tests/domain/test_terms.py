"""Terms: old versions stay readable, contradictions are named, and each value knows who said it."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import OrderType, TimeInForce
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.effective import Leg, Source, effective
from strategies.domain.terms.terms import QuantityType, Sides, Terms
from strategies.domain.terms.windows import Window
from strategies.tests.domain.cases_of_decide import bracket, message, shape

D = Decimal
# As they were stored before there were more of them.
OLD = {
    "sides": "bullish",
    "quantity": "2.5",
    "allow_add": True,
    "order_type": "limit",
    "time_in_force": "gtc",
    "outside_rth": True,
    "entry_time_to_live_seconds": 30,
    "exit_time_to_live_seconds": 300,
    "max_quantity": None,
}


def test_old_terms_are_read_as_they_were_meant() -> None:
    assert Terms.from_json(OLD) == Terms(
        sides=Sides.BULLISH,
        quantity=D("2.5"),
        allow_add=True,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        outside_rth=True,
        entry_time_to_live_seconds=30,
        exit_time_to_live_seconds=300,
    )


def test_a_setting_of_a_later_version_is_an_error() -> None:
    with pytest.raises(TypeError):
        Terms.from_json({**OLD, "telepathy": True})


def test_new_terms_survive_their_way_through_json() -> None:
    terms = Terms(
        tickers=("SPY",),
        windows=(Window(days=(0, 4), start=time(22), end=time(2), zone="Europe/Berlin"),),
        take_profit=bracket("percent", 2),
        stop_loss=bracket("trailPercent", 1, "trailing_stop"),
        quantity=D(1),
        quantity_type=QuantityType.RISK_PERCENT,
        exit_order_type=OrderType.STOP,
        signal_fields=("quantity",),
    )
    values = terms.to_json()
    assert Terms.from_json(values) == terms
    assert values["windows"] == [{"days": ["mon", "fri"], "start": "22:00", "end": "02:00", "zone": "Europe/Berlin"}]


def test_each_value_says_who_said_it() -> None:
    terms = Terms(order_type=OrderType.LIMIT, quantity=D(5), cancel_after=60)
    settings = effective(message("buy", 3), terms, Leg.ENTRY, strategy=Terms(cancel_after=60))
    assert settings.quantity == (D(3), Source.SIGNAL)
    assert settings.order_type == (OrderType.LIMIT, Source.SUBSCRIPTION)
    assert settings.cancel_after == (60, Source.STRATEGY)
    assert settings.time_in_force == (TimeInForce.DAY, Source.DEFAULT)
    assert set(settings.shown()) >= {"quantity", "stop_loss", "ignore_windows"}


def test_a_signal_overrides_only_what_it_may() -> None:
    asked = message("buy", 3, order=shape("limit", limit=10), cancel=True, stop_loss=bracket("percent", 5))
    closed = effective(asked, Terms(allow_overrides=False, signal_fields=("cancel",)), Leg.ENTRY)
    assert closed.quantity.value is None
    assert closed.order_type == (OrderType.MARKET, Source.DEFAULT)
    assert closed.limit_price.value is None
    assert closed.stop_loss.value is None
    assert closed.cancel == (True, Source.SIGNAL)


def test_an_exit_has_settings_of_its_own_or_the_entrys() -> None:
    terms = Terms(order_type=OrderType.LIMIT, exit_order_type=OrderType.MARKET, time_in_force=TimeInForce.GTC)
    settings = effective(message("exit"), terms, Leg.EXIT)
    assert (settings.order_type.value, settings.time_in_force.value) == (OrderType.MARKET, TimeInForce.GTC)
    trailing = Terms(trail_amount=D(1), exit_trail_percent=D(2))
    assert effective(message("exit"), trailing, Leg.EXIT).trail_amount.value is None
    assert effective(message("exit"), trailing, Leg.EXIT).trail_percent.value == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"subtract_exit_quantity": True}, "subtract_exit_quantity"),
        ({"isolate_sides": True}, "isolate_sides"),
        ({"allow_swap": True, "sides": Sides.NONE}, "allow_swap"),
        ({"allow_swap": True, "ignore_exits": True}, "allow_swap"),
        ({"close_only": True, "ignore_exits": True}, "ignore_exits"),
        ({"quantity_type": QuantityType.AMOUNT}, "quantity"),
        ({"quantity_type": QuantityType.RISK_AMOUNT, "quantity": D(1)}, "stop_loss"),
        ({"quantity_type": QuantityType.PERCENT_OF_POSITION, "quantity": D(1)}, "quantity_type"),
        ({"quantity": D(5), "max_quantity": D(4)}, "max_quantity"),
        ({"max_quantity": D(5), "max_position": D(4)}, "max_quantity"),
        ({"order_type": OrderType.TRAILING_STOP, "exit_order_type": OrderType.MARKET}, "trail_amount"),
        ({"trail_amount": D(1), "trail_percent": D(1), "exit_trail_amount": None}, "trail_percent"),
        ({"time_in_force": TimeInForce.OPG, "order_type": OrderType.STOP}, "time_in_force"),
        ({"take_profit": bracket("limitPrice", 5)}, "take_profit"),
        ({"stop_loss": bracket("stopPrice", 5)}, "stop_loss"),
        ({"stop_loss": bracket("percent", 100)}, "stop_loss"),
        ({"stop_loss_type": OrderType.LIMIT}, "stop_loss_type"),
        ({"signal_fields": ("colour",)}, "signal_fields"),
        ({"tickers": tuple(f"T{number}" for number in range(101))}, "tickers"),
        ({"windows": (Window(days=(0,), start=time(9), end=time(10), zone="No/Where"),)}, "windows"),
        ({"windows": (Window(days=(), start=time(9), end=time(10)),)}, "windows"),
        ({"quantity": D(0)}, "quantity"),
        ({"spread_amount": D(-1)}, "spread_amount"),
        ({"cancel_after": 0}, "cancel_after"),
    ],
)
def test_terms_that_do_not_go_together_are_named(values: dict[str, Any], field: str) -> None:
    conflicts = contradictions(Terms(**values))
    assert field in [name for name, _ in conflicts]
    assert all(sentence.endswith(".") for _, sentence in conflicts)


def test_what_a_subscription_starts_with_goes_together() -> None:
    assert contradictions(Terms()) == []
