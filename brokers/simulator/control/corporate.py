"""The control plane's corporate actions: splits for everybody, dividends and interest in the books of one user."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.catalogue import catalogue, relisted
from brokers.simulator.catalogue.relisted import Split
from brokers.simulator.exchange import corporate
from brokers.simulator.exchange.accounting import credit
from brokers.simulator.exchange.corporate import Paid
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User
from brokers.simulator.wire import Answer

_MOST = 1_000
_FOR_ORDERS = ("cancel", "adjust")


def split(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Split a share: `new` for `old`. `renumbers`: it gets another number; `orders`: "cancel" (IBKR's way) or "adjust".

    Options on it become others, as the clearing house makes them, and orders of them are canceled in either way. `keeps_numbers`:
    those that somebody holds are shown under their numbers of before."""
    share = relisted.home(str(body.get("symbol") or ""))
    new, old, orders = _count(body.get("new")), _count(body.get("old", 1)), body.get("orders", "cancel")
    if new == old:
        raise ValueError("new and old are different numbers of shares.")
    if orders not in _FOR_ORDERS:
        raise ValueError("orders is cancel or adjust.")
    number = len(gateway.splits) + 1
    becomes = relisted.next_number(number) if body.get("renumbers") is True else share.conid
    change = Split(number=number, conid=share.conid, becomes=becomes, new=new, old=old, at=gateway.clock())
    price = gateway.mark(share.conid)
    gateway.splits.append(change)
    gateway.store.save([change])
    listed, options = relisted.apply(change)
    _reprice(gateway, change)
    paid = corporate.split(gateway.engine, change, listed, adjusts=orders == "adjust", price=price)
    renumbered = corporate.split_options(gateway.engine, options, change.at)
    if body.get("keeps_numbers") is True:
        for before, now in renumbered:
            gateway.kept_numbers.keep(before, now)
    gateway.commit()
    return Answer({"conid": share.conid, "becomes": becomes, "in_lieu": _shown(paid)}, 201)


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ValueError(f"new and old are numbers of shares, from 1 to {_MOST}.")


def _reprice(gateway: Gateway, change: Split) -> None:
    """A price that somebody posted is split as well."""
    gateway.market.forget(change.conid)
    if (posted := gateway.market.posted.pop(change.conid, None)) is None:
        return
    quote, until = posted
    share = catalogue.find(change.becomes)
    assert share is not None, "what is split is listed"
    bid, ask, last = (
        max(round(price * change.factor / share.increment) * share.increment, share.increment)
        for price in (quote.bid, quote.ask, quote.last)
    )
    if change.is_renumbered:
        gateway.store.save([(quote, gateway.clock())])
    scaled = replace(quote, conid=change.becomes, bid=bid, ask=ask, last=last)
    gateway.market.post(scaled, until)
    gateway.store.save([(scaled, until)])


def dividend(gateway: Gateway, user: User, body: dict[str, Any]) -> Answer:
    """Pay a dividend on what the user's accounts hold: `symbol`, and `per_share` in the share's currency."""
    share = catalogue.resolve(str(body.get("symbol") or ""), gateway.today())
    if share is None or share.sec_type != "STK":
        raise ValueError("symbol is that of a share.")
    paid, changes = corporate.dividend(gateway.accounts_of(user), share, _number(body.get("per_share")))
    gateway.store.save(changes)
    return Answer({"paid": _shown(paid)}, 201)


def interest(gateway: Gateway, user: User, body: dict[str, Any]) -> Answer:
    """Pay or charge interest: an `amount`, below zero where it is charged, in a `currency` (the account's own)."""
    account = gateway.accounts_of(user)[0]
    currency = str(body.get("currency") or account.base).upper()
    if currency != account.base and not catalogue.pairs(currency):
        raise ValueError("currency is one that is traded here.")
    amount = _number(body.get("amount"))
    gateway.store.save(credit(account, currency, amount))
    return Answer({"paid": _shown([Paid(account.account_id, currency, amount)])}, 201)


def _shown(paid: list[Paid]) -> list[dict[str, str]]:
    return [{"account": each.account_id, "currency": each.currency, "amount": str(each.amount)} for each in paid]


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("Amounts are numbers.") from None
    if not number.is_finite() or abs(number) >= 10**9:
        raise ValueError("Amounts are numbers below a thousand million.")
    return number
