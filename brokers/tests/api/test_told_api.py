"""REST: what IBKR said of orders, positions and contracts, as of when and by which way."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.domain.whatif.figures import Figure, OrderPreview
from brokers.models import (
    BrokerageAccount,
    Connection,
    ContractLookup,
    ExchangeRate,
    Order,
    Ticket,
    UnclaimedOrder,
    WhatIf,
)
from brokers.tests import rows


@pytest.fixture
def api(team: Team, bob: User) -> Api:
    return Api(team, bob)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def one(page: Any) -> Any:
    [item] = page["results"]
    return item


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def working(of: BrokerageAccount | Ticket, **values: Any) -> Order:
    """An order that IBKR acknowledged a minute ago."""
    at = timezone.now() - timedelta(minutes=1)
    moments = {"submitted_at": at, "acknowledged_at": at, "changed_at": at}
    return rows.order(of, status="accepted", **{"broker_order_id": "4711", **moments, **values})


def lookup(of: BrokerageAccount, **values: Any) -> ContractLookup:
    columns = {"ticker": "AAPL", "asset_class": "stock", "status": "found", "conid": 265598, **values}
    return ContractLookup.objects.create(connection=of.connection, **columns)


def test_an_order_shows_ibkrs_last_word_and_since_when_its_stream_is_silent(
    api: Api, account: BrokerageAccount
) -> None:
    order = working(account)
    shown = one(api.get("orders/"))
    at = text(order.changed_at)
    assert (shown["as_of"], shown["as_of_from"], shown["silent_since"]) == (at, "answer", at)
    now = timezone.now()
    Connection.objects.update(stream_since=now - timedelta(hours=1), stream_heard_at=now)
    shown = one(api.get("orders/"))
    assert (shown["as_of"], shown["as_of_from"], shown["silent_since"]) == (text(now), "stream", None)
    Order.objects.filter(pk=order.pk).update(status="unknown")
    shown = api.get(f"orders/{order.code}/")
    assert (shown["as_of"], shown["as_of_from"], shown["silent_since"]) == (None, "", None)


def test_an_order_that_a_lost_change_left_names_the_one_beside_it(api: Api, account: BrokerageAccount) -> None:
    first = working(account)
    second = working(first.ticket, second_of=first, broker_order_id="4712")
    assert api.get(f"orders/{second.code}/")["second_of"] == str(first.code)
    assert api.get(f"orders/{first.code}/")["second_of"] is None


def asked(order: Order, status: str, **values: Any) -> WhatIf:
    answered_at = None if status == "asked" else timezone.now()
    columns = {"status": status, "answered_at": answered_at, "by_policy": True, **values}
    return WhatIf.objects.create(team=order.team, account=order.account, key=order.code, request={}, **columns)


def preview(**values: Any) -> dict[str, Any]:
    return OrderPreview(initial=Figure(change=Decimal(50), after=Decimal(150)), **values).to_json()


def test_an_entry_that_ibkr_is_asked_about_first_shows_figures_and_verdict(api: Api, account: BrokerageAccount) -> None:
    order = rows.order(account, asks_first=True)
    other = rows.order(account)
    no_answer = asked(order, "unanswered", reason="IBKR did not answer.", reason_code="preview-unanswered")
    asked(order, "answered", answer=preview(refusal="No trading permissions.", equity=Figure(after=Decimal(1000))))
    asked(order, "answered", answer=preview(equity=Figure(after=Decimal(1000)), warning="Take care."))
    asked(order, "asked")
    # A plan's preview that a person asked for is another matter.
    asked(other, "answered", answer=preview(), by_policy=False)
    shown = api.get(f"orders/{order.code}/")
    assert shown["asks_first"] is True
    silent, refused, goes, waits = shown["asked_first"]
    assert silent == {
        "status": "unanswered",
        "asked_at": text(no_answer.asked_at),
        "answered_at": text(no_answer.answered_at or no_answer.asked_at),
        "verdict": "stays",
        "reason": "IBKR did not answer.",
        "reason_code": "preview-unanswered",
        "currency": "USD",
        "answer": None,
    }
    assert (refused["verdict"], refused["reason_code"]) == ("stays", "preview-refused")
    assert "No trading permissions." in refused["reason"]
    assert (goes["verdict"], goes["reason"], goes["reason_code"]) == ("goes", "", "")
    assert goes["answer"]["initial"] == {"before": None, "change": "50", "after": "150"}
    assert goes["answer"]["warning"] == "Take care."
    assert (waits["verdict"], waits["status"], waits["answered_at"]) == ("asked", "asked", None)
    assert api.get(f"orders/{other.code}/")["asked_first"] == []
    assert api.get(f"orders/{other.code}/")["asks_first"] is False


def test_a_position_shows_when_it_was_read_and_the_silence_since(api: Api, account: BrokerageAccount) -> None:
    read = timezone.now() - timedelta(seconds=30)
    heard = read + timedelta(seconds=3)
    rows.position(account, as_of=read)
    Connection.objects.update(stream_since=read - timedelta(hours=1), stream_heard_at=heard)
    shown = one(api.get("positions/"))
    assert (shown["as_of"], shown["as_of_from"], shown["silent_since"]) == (text(read), "read", text(heard))
    Connection.objects.update(stream_heard_at=timezone.now())
    assert one(api.get("positions/"))["silent_since"] is None


def test_a_position_shows_the_newest_quote_of_its_contract_and_what_it_is(
    api: Api, team: Team, account: BrokerageAccount
) -> None:
    rows.position(account)
    assert one(api.get("positions/"))["quote"] is None
    at = timezone.now()
    old = {"ticker": "NASDAQ:AAPL", "quote_as_of": at - timedelta(hours=1), "last": Decimal(1), "quote_flags": "RpB"}
    lookup(account, **old)
    new = lookup(account, bid=Decimal("187.10"), ask=Decimal("187.3"), quote_as_of=at, quote_flags="RpB")
    lookup(rows.account(team), last=Decimal(5), quote_as_of=at + timedelta(seconds=1), quote_flags="RpB")
    expected = {
        "bid": "187.1",
        "ask": "187.3",
        "last": None,
        "as_of": text(at),
        "availability": "live",
        "tradable": True,
    }
    assert one(api.get("positions/"))["quote"] == expected
    ContractLookup.objects.filter(pk=new.pk).update(quote_flags="DpB")
    shown = one(api.get("positions/"))["quote"]
    assert (shown["availability"], shown["tradable"]) == ("delayed", False)


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        ({"side": "buy"}, True),
        ({"side": "buy", "limit_price": None, "type": "market"}, False),
        ({"side": "buy", "asset_class": "future"}, False),
        ({"side": "buy", "currency": "CHF"}, False),
        ({"side": "buy", "currency": "EUR"}, True),
        # It only closes what is held, and needs no money.
        ({"side": "sell", "asset_class": "future"}, True),
    ],
)
def test_an_order_placed_elsewhere_shows_whether_its_money_is_counted(
    api: Api, account: BrokerageAccount, values: dict[str, Any], counted: bool
) -> None:
    rows.position(account)
    rate = {"connection": account.connection, "target": "USD", "as_of": timezone.now()}
    ExchangeRate.objects.create(source="EUR", rate=Decimal("1.1"), **rate)
    row = rows.foreign_order(account, **values)
    assert one(api.get("foreign-orders/"))["money_counted"] is counted
    assert api.get(f"foreign-orders/{row.code}/")["money_counted"] is counted


@pytest.mark.parametrize("name", ["orders", "positions", "foreign-orders"])
def test_no_list_asks_once_per_row_or_account(api: Api, team: Team, name: str) -> None:
    def more(count: int) -> None:
        for _ in range(count):
            account = rows.account(team)
            asked(working(account), "answered", answer=preview())
            rows.position(account)
            lookup(account, last=Decimal(5), quote_as_of=timezone.now())
            rows.foreign_order(account, side="buy", limit_price=None, type="market")

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked_for:
            api.get(f"{name}/")
        return len(asked_for)

    more(1)
    queries()
    few = queries()
    more(4)
    assert queries() == few


def test_a_filled_order_in_no_row_says_whether_it_asks_and_what_was_said(api: Api, account: BrokerageAccount) -> None:
    row = rows.unclaimed_order(account)
    [shown] = api.get("unclaimed-orders/")["results"]
    assert (shown["id"], shown["account"], shown["reference"]) == (str(row.code), str(account.code), row.reference)
    assert (shown["ours"], shown["asks"], shown["choice"], shown["order"]) == (True, True, "", None)
    assert (Decimal(shown["filled"]), shown["quantity"]) == (Decimal(5), None)
    order = rows.order(account, reference=row.reference)
    assert api.get(f"unclaimed-orders/{row.code}/")["asks"] is False
    UnclaimedOrder.objects.update(choice="adopt", decided_at=timezone.now(), order=order)
    [shown] = api.get("unclaimed-orders/?ticker=AAPL")["results"]
    assert (shown["choice"], shown["order"]) == ("adopt", str(order.code))
    assert api.get("unclaimed-orders/?ticker=MSFT")["results"] == []
