"""Records as table rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.db import models

from brokers.simulator.books.rows_orders import execution_row, moment, order_row
from brokers.simulator.catalogue.relisted import Split
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.exchange.records import (
    Account,
    Advisor,
    CashChanged,
    Change,
    Execution,
    Group,
    Kind,
    Order,
    Position,
    Proceeds,
)
from brokers.simulator.market.market import Quote
from brokers.simulator.models import (
    SimAccessToken,
    SimAccount,
    SimAdvisor,
    SimAlert,
    SimCash,
    SimConsumer,
    SimExecution,
    SimOrder,
    SimPosition,
    SimProceeds,
    SimQuote,
    SimSplit,
    SimUser,
)
from brokers.simulator.oauth.oauth import AccessToken, Consumer

Storable = Change | Consumer | AccessToken | Alert | Split | str | tuple[Quote, float]

_KINDS: Mapping[str, Kind] = {"margin": "margin", "cash": "cash", "lite": "lite"}


# What is kept under a name or a number of its own.
_NAMED: Mapping[type, tuple[type, str]] = {
    Order: (SimOrder, "order_id"),
    Execution: (SimExecution, "number"),
    Proceeds: (SimProceeds, "number"),
    Account: (SimAccount, "account_id"),
    Advisor: (SimAdvisor, "username"),
    Consumer: (SimConsumer, "consumer_key"),
    AccessToken: (SimAccessToken, "token"),
    Alert: (SimAlert, "alert_id"),
    Split: (SimSplit, "number"),
}


def key(change: Storable) -> tuple[type, object]:
    """What identifies the row a change belongs to: the last change of a batch is the one written."""
    if (named := _NAMED.get(type(change))) is not None:
        return named[0], getattr(change, named[1])
    match change:
        case Position():
            return SimPosition, f"{change.account_id}-{change.conid}"
        case CashChanged():
            return SimCash, f"{change.account_id}-{change.currency}"
        case (Quote() as quoted, _):
            return SimQuote, quoted.conid
        case _:
            return SimUser, change


def row(change: Storable) -> models.Model:
    """The row of a change, with the values of this moment."""
    match change:
        case Order():
            return order_row(change)
        case Execution():
            return execution_row(change)
        case Position():
            return _position_row(change)
        case CashChanged():
            return SimCash(
                key=f"{change.account_id}-{change.currency}",
                account_id=change.account_id,
                currency=change.currency,
                balance=change.balance,
            )
        case Proceeds():
            return _proceeds_row(change)
        case Account():
            return _account_row(change)
        case Advisor():
            return _advisor_row(change)
        case str():
            return SimUser(username=change, created_at=datetime.now(UTC))
        case Consumer() | AccessToken():
            return _oauth_row(change)
        case Alert():
            return SimAlert(
                alert_id=change.alert_id,
                account_id=change.account_id,
                asked=change.asked,
                active=change.active,
                deleted=change.deleted,
                created_at=moment(change.created_at),
            )
        case Split():
            return SimSplit(
                number=change.number,
                conid=change.conid,
                becomes=change.becomes,
                new=change.new,
                old=change.old,
                at=moment(change.at),
            )
        case _:
            quoted, until = change
            return SimQuote(
                conid=quoted.conid,
                bid=quoted.bid,
                ask=quoted.ask,
                last=quoted.last,
                posted_at=moment(quoted.at),
                until=moment(until),
            )


def _account_row(account: Account) -> SimAccount:
    return SimAccount(
        account_id=account.account_id,
        user_id=account.username,
        base_currency=account.base,
        kind=account.kind,
        advisor=account.advisor,
        master_id=account.master_id,
        day=account.day,
        day_equity=account.day_equity,
        day_realized=account.day_realized,
        opened_at=moment(account.opened_at),
    )


def _position_row(held: Position) -> SimPosition:
    return SimPosition(
        key=f"{held.account_id}-{held.conid}",
        account_id=held.account_id,
        conid=held.conid,
        quantity=held.quantity,
        average_price=held.average_price,
        realized=held.realized,
        settled_quantity=held.settled_quantity,
        settled_profit=held.settled_profit,
        settled_on=held.settled_on,
    )


def _proceeds_row(entry: Proceeds) -> SimProceeds:
    return SimProceeds(
        number=entry.number,
        account_id=entry.account_id,
        currency=entry.currency,
        amount=entry.amount,
        settles_at=moment(entry.settles_at),
        settled=entry.settled,
    )


def _advisor_row(advisor: Advisor) -> SimAdvisor:
    groups = [
        {"name": g.name, "method": g.method, "members": [[a, None if n is None else str(n)] for a, n in g.members]}
        for g in advisor.groups.values()
    ]
    return SimAdvisor(user_id=advisor.username, groups=groups, presets=dict(advisor.presets))


def _oauth_row(change: Consumer | AccessToken) -> SimConsumer | SimAccessToken:
    if isinstance(change, AccessToken):
        return SimAccessToken(
            token=change.token,
            consumer_id=change.consumer_key,
            user_id=change.username,
            secret=change.secret.hex(),
        )
    return SimConsumer(
        consumer_key=change.consumer_key,
        name=change.name,
        state=change.state,
        party=change.party,
        signature_key=change.signature_key,
        encryption_key=change.encryption_key,
        dh_prime=f"{change.dh_prime:x}",
        dh_generator=change.dh_generator,
    )


def consumer(row: SimConsumer) -> Consumer:
    return Consumer(
        consumer_key=row.consumer_key,
        name=row.name,
        party=row.party,
        signature_key=row.signature_key,
        encryption_key=row.encryption_key,
        dh_prime=int(row.dh_prime, 16),
        dh_generator=row.dh_generator,
        state=row.state,
    )


def access_token(row: SimAccessToken) -> AccessToken:
    return AccessToken(
        token=row.token, consumer_key=row.consumer_id, username=row.user_id, secret=bytes.fromhex(row.secret)
    )


def alert(row: SimAlert) -> Alert:
    return Alert(
        alert_id=row.alert_id,
        account_id=row.account_id,
        asked=row.asked,
        created_at=row.created_at.timestamp(),
        active=row.active,
    )


def account(row: SimAccount) -> Account:
    return Account(
        account_id=row.account_id,
        username=row.user_id,
        opened_at=row.opened_at.timestamp(),
        base=row.base_currency,
        kind=_KINDS[row.kind],
        advisor=row.advisor,
        master_id=row.master_id,
        day=row.day,
        day_equity=row.day_equity,
        day_realized=row.day_realized,
    )


def proceeds(row: SimProceeds) -> Proceeds:
    return Proceeds(
        number=row.number,
        account_id=row.account_id,
        currency=row.currency,
        amount=row.amount,
        settles_at=row.settles_at.timestamp(),
        settled=row.settled,
    )


def advisor(row: SimAdvisor) -> Advisor:
    groups = {}
    for kept in row.groups:
        members = tuple((account_id, None if n is None else Decimal(n)) for account_id, n in kept["members"])
        groups[kept["name"]] = Group(name=kept["name"], method=kept["method"], members=members)
    return Advisor(username=row.user_id, groups=groups, presets=row.presets)


def position(row: SimPosition) -> Position:
    return Position(
        account_id=row.account_id,
        conid=row.conid,
        quantity=row.quantity,
        average_price=row.average_price,
        realized=row.realized,
        settled_quantity=row.settled_quantity,
        settled_profit=row.settled_profit,
        settled_on=row.settled_on,
    )


def quote(row: SimQuote) -> tuple[Quote, float]:
    at, until = row.posted_at.timestamp(), row.until.timestamp()
    return Quote(row.conid, row.bid, row.ask, row.last, 100, 100, at), until


def split(row: SimSplit) -> Split:
    return Split(
        number=row.number, conid=row.conid, becomes=row.becomes, new=row.new, old=row.old, at=row.at.timestamp()
    )
