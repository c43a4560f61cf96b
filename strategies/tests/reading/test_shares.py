"""Parts of a position sent as a quantity: refused by name, with the quantityType that says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.corrections import corrected
from strategies.reading.parse import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def refused(**fields: Any) -> Refused:
    body = json.dumps({"ticker": "SPY", "action": "exit", **fields})
    with pytest.raises(Refused) as caught:
        parse(body.encode(), kind=Kind.STOCK, allowed_tickers=[], now=NOW)
    return caught.value


@pytest.mark.parametrize(
    ("sent", "digits"), [("50%", "50"), (" 12.5 % ", "12.5"), ("33 percent", "33"), ("half", "50"), ("Quarter", "25")]
)
def test_a_part_of_an_exit_is_named_percent_of_position(sent: str, digits: str) -> None:
    answer = refused(quantity=sent)
    assert (answer.code, answer.field) == ("invalid-quantity", "quantity")
    assert f'For {digits} % of the position send "quantity": {digits}, "quantityType": "percent_of_position".' in str(
        answer.message
    )
    body = json.dumps({"ticker": "SPY", "action": "exit", "quantity": sent})
    right = corrected(body, kind=Kind.STOCK, allowed_tickers=[], now=NOW)
    assert right is not None
    values = json.loads(right.text)
    assert (float(values["quantity"]), values["quantityType"]) == (float(digits), "percent_of_position")


@pytest.mark.parametrize("sent", ["all", "100%", "full", "250 %"])
def test_all_of_a_position_needs_no_quantity(sent: str) -> None:
    assert "Leave quantity out: exit closes the whole position." in refused(quantity=sent).message
    body = json.dumps({"ticker": "SPY", "action": "exit", "quantity": sent, "quantityType": "percent_of_position"})
    right = corrected(body, kind=Kind.STOCK, allowed_tickers=[], now=NOW)
    assert right is not None
    assert "quantity" not in json.loads(right.text)


@pytest.mark.parametrize("action", ["buy", "sell", "add"])
def test_a_part_of_an_entry_may_be_of_two_things_and_is_not_corrected(action: str) -> None:
    answer = refused(action=action, quantity="10%")
    assert "percent_of_equity" in answer.message
    assert "percent_of_position" in answer.message
    body = json.dumps({"ticker": "SPY", "action": action, "quantity": "10%"})
    assert corrected(body, kind=Kind.STOCK, allowed_tickers=[], now=NOW) is None


@pytest.mark.parametrize("sent", ["%", "-5%", "0%", "ten", "5%%", "%last_price%"])
def test_what_is_no_part_is_refused_as_before(sent: str) -> None:
    assert "percent_of_position" not in refused(quantity=sent).message
