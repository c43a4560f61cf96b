"""An account's fills, most of them packed, are the fills that were dealt."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from brokers.simulator.exchange import fills
from brokers.simulator.exchange.fills import Fills
from brokers.simulator.exchange.records import Execution
from brokers.simulator.tests.exchange.exchange import AAPL, NOW


def dealt(number: int) -> Execution:
    return Execution(
        number=number,
        order_id=number * 10,
        account_id="SIM1",
        username="alice",
        conid=AAPL,
        side="SELL" if number % 2 else "BUY",
        quantity=D("1.5"),
        price=D("187.12340000"),
        commission=D("1.00"),
        net_amount=D("280.6851"),
        exchange="NASDAQ",
        reference=f"order {number} é",
        executed_at=NOW + number,
        currency="EUR",
    )


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> Fills:
    monkeypatch.setattr(fills, "UNPACKED", 2)
    made = Fills()
    for number in range(5):
        made.append(dealt(number))
    return made


def test_packed_fills_are_read_as_they_were_dealt(five: Fills) -> None:
    everything = [dealt(number) for number in range(5)]
    assert list(five) == everything
    assert list(reversed(five)) == everything[::-1]
    assert [five[place] for place in (-1, 0, 3)] == [everything[place] for place in (-1, 0, 3)]
    assert five[1:3] == everything[1:3]
    # The number of digits, too: 1.00 is shown as 1.00.
    assert [str(each.commission) for each in five] == ["1.00"] * 5
    with pytest.raises(IndexError):
        five[5]


@pytest.mark.parametrize(("most", "since", "left"), [(3, 0, [2, 3, 4]), (9, 3, [3, 4]), (9, 9, []), (1, 2, [4])])
def test_the_oldest_are_forgotten(five: Fills, most: int, since: int, left: list[int]) -> None:
    five.shorten(most, NOW + since)
    assert [fill.number for fill in five] == left
    assert len(five) == len(left)
