"""A team with something on each of its pages: long names, large numbers, every kind of row."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress

from accounts import departures, teams
from accounts.models import Leaving, Membership, Role, Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import (
    AccountGroup,
    Advisor,
    BrokerageAccount,
    Delivery,
    Destination,
    Notice,
    Order,
    SubmissionAttempt,
)
from brokers.tests import rows as broker
from strategies.control import halt
from strategies.domain.decide.guards import Halt
from strategies.models import Refusal, Strategy, Trade
from strategies.profit import making
from strategies.setup.strategies import disable_webhook, rotate_webhook
from strategies.tests import rows
from strategies.tests.control import proposing

D = Decimal
LONG = "A strategy whose name is as long as names of strategies ever are"
WRONG = json.dumps({"symbol": "AAPL", "action": "jump", "a" * 120: "b" * 300}, indent=2)


def fill(team: Team, owner: User, now: datetime) -> dict[str, Any]:
    """Fill the team; returns what addresses of its pages name, by the names of their parts."""
    proposal = proposing.decided(proposing.asking(team, now, name="Asks first"), now)
    proposing.decided(proposing.asking(team, now, name="Sends at once", auto_submit=True), now)
    walk = rows.walk(team, now - timedelta(minutes=3), name=LONG)
    account = walk.account
    _money(account, now)
    _money(broker.account(team), now)
    _messages(walk.strategy, now)
    _orders(account, walk.order, now)
    foreign = broker.foreign_order(account, reference="hy-0123456789abcdef0123456789abcdef", ticker="MNQZ2026")
    broker.foreign_order(account, asset_class="option", type="", described="Buy 2 Limit If Touched 1.25, Day")
    refusal = _refused(walk.strategy, now)
    endpoint = _webhooks(walk.strategy, owner, now)
    halt.halt(team=team, target=account, how=Halt.ENTRIES, reason="Earnings tonight", actor=owner, now=now)
    reference = teams.invite(team=team, actor=owner, role=Role.TRADER, note="The accountant", now=now)
    teams.issue_token(team=team, user=owner, name="A program", now=now)
    EmailAddress.objects.get_or_create(user=owner, email=owner.email, defaults={"verified": True, "primary": True})
    making.make_due(now)
    return {
        "team_code": team.code,
        "trade_code": Trade.objects.get(signal=walk.signal).code,
        "order_code": walk.order.code,
        "foreign_code": foreign.code,
        "unclaimed_code": broker.unclaimed_order(account).code,
        "split_code": broker.split(account, ticker="SPLT", conid=4, conid_before=4).code,
        "account_code": account.code,
        "conid": 265598,
        "connection_code": account.connection.code,
        "group_code": _groups(account, now),
        "signal_code": walk.signal.code,
        "log_code": refusal.log_code,
        "decision_code": proposal.code,
        "strategy_code": walk.strategy.code,
        "subscription_code": walk.subscription.code,
        "endpoint_code": endpoint,
        "level": "strategy",
        "code": walk.strategy.code,
        "departure_code": _departure(team, owner, now),
        "destination_code": _destination(team, owner, now),
        "token": reference,
        "page": "dedicated-user",
        "number": 1,
        "reference": "x",
    }


def _groups(account: BrokerageAccount, now: datetime) -> UUID:
    """Groups of an advisor, one with many accounts of which nobody here has any."""
    advisor = {"team": account.team, "connection": account.connection, "account": account, "read_at": now}
    members = [{"account": f"U{1_000_000 + number}", "amount": None} for number in range(30)]
    AccountGroup.objects.create(**advisor, name="Family and friends of the house", method="NetLiq", members=members)
    Advisor.objects.create(connection=account.connection, read_at=now)
    return AccountGroup.objects.create(**advisor, name="Empty", method="EqualQuantity", members=[], gone_at=now).code


def _departure(team: Team, owner: User, now: datetime) -> Any:
    """The code of a trader's departure: what they knew can be rotated."""
    trader = User.objects.create_user("departed@example.com", "a password of theirs")
    membership = Membership.objects.create(team=team, user=trader, role=Role.TRADER)
    departure = departures.depart(membership=membership, how=Leaving.REMOVED, actor=owner, now=now)
    membership.delete()
    assert departure is not None
    return departure.code


def _money(account: BrokerageAccount, now: datetime) -> None:
    figures = {"equity": D("1234567.89"), "cash": D("-98765.43"), "buying_power": D("4938271.56")}
    results = {"unrealized_pnl": D("-123456.78"), "realized_pnl": D("98765.43"), "book_as_of": now}
    BrokerageAccount.objects.filter(pk=account.pk).update(**figures, **results)
    prices = {"market_price": D("21345.25"), "unrealized_pnl": D("-123456.78"), "currency": "USD"}
    broker.position(account, market_price=D("187.25"), unrealized_pnl=D("72.5"))
    broker.position(
        account,
        conid=7,
        ticker="MNQZ2026",
        asset_class="future",
        quantity=D(-123456),
        average_cost=D("21000.5"),
        **prices,
    )


def _messages(strategy: Strategy, now: datetime) -> None:
    lacking = "old-tradingview-text:sentiment,orderId,prevMarketPositionSize"
    body = json.dumps({"ticker": "AAPL", "action": "buy", "quantity": "10", "note": "x" * 400})
    rows.signal(strategy, now, body=body, warnings=[lacking, "unknown-field:note"], dispatched_at=now)
    rows.signal(strategy, now, set_aside="stale-signal", note="By its own time it is two days old.", dispatched_at=now)
    rows.signal(strategy, now, is_test=True)


def _orders(account: BrokerageAccount, filled: Order, now: datetime) -> None:
    SubmissionAttempt.objects.create(
        order=filled,
        kind="post",
        request_hash="x",
        request={"orders": [{"cOID": filled.reference, "note": "x" * 300}]},
        sent_at=now,
        answered_at=now + timedelta(milliseconds=30),
        outcome="accepted",
        answer=[{"order_id": "4711"}],
    )
    doubtful = broker.order(account, ticker="BRK.B", type="stop_limit", limit_price=D("412.5"), stop_price=D("412.25"))
    Order.objects.move(doubtful, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(doubtful, OrderStatus.UNKNOWN, now=now)
    held = broker.order(
        account, side="sell", quantity=D(123456), held_reason="locating shares", type="limit", limit_price=D("9.5")
    )
    Order.objects.move(held, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(held, OrderStatus.ACCEPTED, now=now, acknowledged_at=now)
    rejected = broker.order(account)
    Order.objects.move(rejected, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(rejected, OrderStatus.REJECTED, now=now, reason="No security definition has been found for it.")


def _refused(strategy: Strategy, now: datetime) -> Refusal:
    return Refusal.objects.create(
        team=strategy.team,
        endpoint=strategy.endpoints.get(),
        status=400,
        message_code="invalid-action",
        sentence="action is jump. Send buy, sell, exit, cancel, add, reverse or breakeven.",
        body=WRONG,
        received_at=now,
    )


def _webhooks(strategy: Strategy, owner: User, now: datetime) -> Any:
    """Two URLs that are live and one that was revoked; returns a live one's code."""
    first = strategy.endpoints.get()
    rotate_webhook(strategy=strategy, actor=owner, now=now)
    disable_webhook(endpoint=first, actor=owner, now=now)
    return rotate_webhook(strategy=strategy, actor=owner, now=now).code


def _destination(team: Team, owner: User, now: datetime) -> UUID:
    """A chat of the owner's that takes nothing any more, and what became of a notice there."""
    made = Destination.objects.create(
        membership=Membership.objects.get(team=team, user=owner),
        team=team,
        service="slack",
        name="The desk's channel",
        host="hooks.example",
        is_broken=True,
        trouble="It answers 404: the webhook was removed or its app may not write there. Make a new one in Slack.",
        created_at=now,
    )
    connection = team.connections.earliest("pk")
    notice = Notice.objects.create(
        connection=connection,
        kind="not-ready",
        event="plenty",
        why="Nobody has signed in.",
        opens_at=now,
        created_at=now,
    )
    Delivery.objects.create(notice=notice, destination=made, due_at=now, status="failed", error=made.trouble)
    return made.code
