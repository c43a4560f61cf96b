"""What the stream says, message by message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brokers.domain.orders import OrderStatus
from brokers.domain.session.feed import FeedEvent
from brokers.ibkr.decoding import FRAME, decode
from brokers.ibkr.lines.beats import BEAT
from brokers.ibkr.topics.prompts import MOST
from brokers.ibkr.topics.reader import Reader

SIGNED_IN = {"topic": "sts", "args": {"authenticated": True, "competing": False, "message": ""}}


def say(reader: Reader, message: Any) -> FeedEvent | None:
    return reader.take(decode(json.dumps(message).encode(), FRAME))


def test_it_subscribes_once_the_session_is_there() -> None:
    reader = Reader()
    say(reader, {"topic": "system", "success": "ALICE1"})
    assert not reader.wants_subscriptions
    event = say(reader, SIGNED_IN)
    assert event is not None
    assert event.auth is not None
    assert event.auth.ready
    assert reader.wants_subscriptions


def test_it_subscribes_again_after_the_session_came_back() -> None:
    reader = Reader()
    say(reader, SIGNED_IN)
    reader.wants_subscriptions = False
    say(reader, {"topic": "sts", "args": {"competing": False}})
    assert not reader.wants_subscriptions
    lost = say(reader, {"topic": "sts", "args": {"authenticated": False}})
    assert lost is not None
    assert lost.auth is not None
    assert not lost.auth.ready
    say(reader, SIGNED_IN)
    assert reader.wants_subscriptions


def test_it_subscribes_at_the_first_heartbeat_when_no_status_came() -> None:
    reader = Reader()
    event = say(reader, {"topic": "system", "hb": 1712596911593})
    assert event == FeedEvent(heartbeat=True)
    assert reader.wants_subscriptions


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        (b'{"topic":"system","hb":1712596911593}', True),
        (b'{ "topic" : "system", "hb": 1 }', True),
        (b'{"topic":"system","hb":"1712596911593"}', False),
        (b'{"topic":"system","hb":1712596911593,"success":"user"}', False),
        (b'{"topic":"system","hb":1712596911593}{"topic":"sts"}', False),
        (b'{"topic":"system","hb":11111111111111111111}', False),
        (b'{"topic":"systems","hb":1}', False),
    ],
)
def test_a_beat_is_known_by_its_bytes(text: bytes, beats: bool) -> None:
    assert bool(BEAT.fullmatch(text)) is beats
    if beats:
        # What is not decoded says the same as what is.
        assert Reader().beat() == Reader().take(decode(text, FRAME))


def test_it_knows_that_another_login_took_the_session() -> None:
    reader = Reader()
    say(reader, SIGNED_IN)
    event = say(reader, {"topic": "sts", "args": {"competing": True}})
    assert event is not None
    assert event.auth is not None
    assert (event.auth.authenticated, event.auth.competing, event.auth.ready) == (True, True, False)


def test_it_reads_an_order_that_changed() -> None:
    event = say(Reader(), {"topic": "sor", "args": [{"acct": "DU1", "orderId": 7, "status": "Filled"}]})
    assert event is not None
    [order] = event.orders
    assert (order.broker_order_id, order.status, order.reference) == ("7", OrderStatus.FILLED, None)


def test_it_is_turned_away_while_there_is_no_session() -> None:
    reader = Reader()
    event = say(reader, {"message": "waiting for session"})
    assert event is not None
    assert event.auth is not None
    assert not event.auth.ready
    assert reader.turned_away


@pytest.mark.parametrize(
    "text", ["not json", "[]", "7", '{"topic":"ntf","args":{}}', '{"topic":"sor","args":[]}', "{}"]
)
def test_it_passes_over_what_it_does_not_need(text: str) -> None:
    assert Reader().take(decode(text.encode(), FRAME)) is None


def test_a_busy_day_comes_whole_in_one_message() -> None:
    # With the fields that IBKR's own recordings of a row have, and their length.
    row = {
        "acct": "DU1234567",
        "exchange": "SMART",
        "conidex": "265598@SMART",
        "conid": 265598,
        "account": "DU1234567",
        "orderId": 1370093238,
        "cashCcy": "USD",
        "sizeAndFills": "0/5",
        "orderDesc": "Bought 5 Market, Day",
        "description1": "AAPL",
        "ticker": "AAPL",
        "secType": "STK",
        "listingExchange": "NASDAQ.NMS",
        "remainingQuantity": 0.0,
        "filledQuantity": 5.0,
        "totalSize": 5.0,
        "companyName": "APPLE INC",
        "status": "Filled",
        "order_ccp_status": "Filled",
        "avgPrice": "192.26",
        "origOrderType": "MARKET",
        "supportsTaxOpt": "1",
        "lastExecutionTime": "231211180049",
        "orderType": "Market",
        "bgColor": "#FFFFFF",
        "fgColor": "#000000",
        "isEventTrading": "0",
        "timeInForce": "CLOSE",
        "lastExecutionTime_r": 1702317649000,
        "side": "BUY",
    }
    rows = [row | {"orderId": number, "order_ref": f"hy1-{number:024}"} for number in range(8000)]
    event = say(Reader(), {"topic": "sor", "args": rows})
    assert event is not None
    assert len(event.orders) == 8000


PROMPT = {
    "orderId": 1883733600,
    "reqId": "29042",
    "dismissable": [],
    "text": "If this happens, you will not receive a fill.\nUse the Price Management Algo?",
    "options": ["Use on this order", "Always use", "Do not use"],
    "type": "M",
    "messageId": "p12",
    "prompt": True,
}
NOTICE = {"id": "118", "text": "Order SELL 1 MSFT will be automatically canceled", "title": None, "url": None}


@pytest.mark.parametrize("args", [[PROMPT], PROMPT, [NOTICE, PROMPT]])
def test_it_reads_a_prompt(args: Any) -> None:
    event = say(Reader(), {"topic": "ntf", "args": args})
    assert event is not None
    [prompt] = event.prompts
    assert (prompt.broker_order_id, prompt.request_id, prompt.message_id) == ("1883733600", "29042", "p12")
    assert prompt.options == ("Use on this order", "Always use", "Do not use")
    assert prompt.text.endswith("Use the Price Management Algo?")


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": None},
        {"orderId": "DROP TABLE"},
        {"orderId": [1]},
        {"orderId": "9" * 99},
        {"reqId": ""},
        {"reqId": "7" * 99},
        {"reqId": {}},
        {"prompt": "true"},
        {"prompt": None},
    ],
)
def test_a_prompt_that_names_nothing_to_answer_is_told_and_not_asked(change: dict[str, Any]) -> None:
    event = say(Reader(), {"topic": "ntf", "args": [{**PROMPT, **change}]})
    assert event is not None
    assert event.prompts == ()
    [told] = event.told
    assert told.text.endswith("Use the Price Management Algo?")


def test_of_many_prompts_in_one_message_few_are_read() -> None:
    event = say(Reader(), {"topic": "ntf", "args": [PROMPT] * 5000})
    assert event is not None
    assert len(event.prompts) == MOST
