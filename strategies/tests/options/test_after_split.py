"""A message by the name that an option had before a split, in the contracts of now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.book.live_book import Book
from brokers.book.options.renamed import Renamed, _latest_names
from brokers.domain.contracts.options import alike
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import CorporateAction
from strategies.deciding import rolled
from strategies.domain.message.after_split import in_contracts_of_now
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Rejection
from strategies.tests.options.test_meant import NOW, message

D = Decimal
FOUR = D(4)
OLD, NEW = "AAPL 261218C640", "AAPL 261218C160"


@pytest.mark.parametrize(
    ("sent", "now"),
    [
        ({"action": "exit", "quantity": 2}, {"quantity": 8}),
        ({"action": "exit", "quantity": 50, "quantityType": "percent_of_position"}, {"quantity": 50}),
        ({"action": "exit", "orderType": "limit", "limitPrice": 20}, {"limitPrice": 5}),
        (
            {"action": "exit", "orderType": "stop_limit", "limitPrice": 20, "stopPrice": 24},
            {"limitPrice": 5, "stopPrice": 6},
        ),
        ({"action": "modify", "stopLoss": {"stopPrice": 8}}, {"stopLoss": {"stopPrice": 2}}),
        ({"action": "modify", "stopLoss": {"percent": 10}}, {"stopLoss": {"percent": 10}}),
        ({"action": "modify", "stopLoss": {"pnlAmount": 400}}, {"stopLoss": {"pnlAmount": 400}}),
        ({"action": "modify", "takeProfit": {"limitPrice": 40}}, {"takeProfit": {"limitPrice": 10}}),
        ({"action": "breakeven", "breakevenOffset": 2}, {"breakevenOffset": "0.5"}),
        ({"action": "exit", "price": 12}, {"price": 3}),
    ],
)
def test_sizes_grow_and_prices_shrink_by_the_ratio(sent: dict[str, Any], now: dict[str, Any]) -> None:
    became = in_contracts_of_now(message(**sent), FOUR)
    assert became.reading() == message(**{**sent, **now}).reading()
    assert in_contracts_of_now(message(**sent), D(1)) == message(**sent)


def action(before: str, after: str, conids: tuple[int, int], new: int) -> CorporateAction:
    return CorporateAction(
        account_id=1, ticker_before=before, ticker=after, conid_before=conids[0], conid=conids[1], new=new, old=1
    )


def test_two_splits_in_a_row_are_one_of_their_product() -> None:
    after, units = _latest_names(
        [
            action("AAPL 261218C640", "AAPL 261218C160", (1, 2), 4),
            action("AAPL 261218C160", "AAPL 261218C80", (2, 3), 2),
        ]
    )
    known = Renamed(after, units)
    assert known.now(1, "AAPL 261218C640") == "AAPL 261218C80"
    assert [known.units_of(1, f"AAPL 261218C{strike}") for strike in (640, 160, 80)] == [D(8), D(2), D(1)]


def in_a_group(message: Message) -> Message | Rejection:
    """The message by the name of before, in two accounts of which one was split by four and one by three."""
    book = Book(now=NOW)
    places = [(account, alike(OLD)) for account in (1, 2)]
    book.renamed = Renamed(dict.fromkeys(places, NEW), dict(zip(places, (FOUR, D(3)), strict=True)))
    return rolled.in_contracts_of_now(message, Instrument(ticker=NEW, asset_class=AssetClass.OPTION), [1, 2], book)


@pytest.mark.parametrize(
    "sent",
    [
        {"action": "exit", "quantity": 2},
        {"action": "exit", "orderType": "limit", "limitPrice": 20},
        {"action": "modify", "stopLoss": {"stopPrice": 8}},
    ],
)
def test_sizes_and_prices_that_several_ratios_make_mean_several_things_are_refused(sent: dict[str, Any]) -> None:
    """They went on as they were: two contracts of before, and two of now, in all accounts."""
    found = in_a_group(message(**{"action": "exit", "ticker": OLD, **sent}))
    assert isinstance(found, Rejection)
    assert (found.rule, found.code) == ("B04", "split-by-several-ratios")
    assert NEW in found.reason


@pytest.mark.parametrize("sent", [{}, {"price": 12}, {"quantity": 50, "quantityType": "percent_of_position"}])
def test_an_exit_without_them_goes_on(sent: dict[str, Any]) -> None:
    found = in_a_group(message(**{"action": "exit", "ticker": OLD, **sent}))
    assert isinstance(found, Message)
    assert found.signal_price is None
