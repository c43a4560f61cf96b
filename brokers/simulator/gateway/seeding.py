"""A user's accounts as a test or a person wants them: kind, currency, cash and holdings, an advisor's sub-accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.hours import local_day
from brokers.simulator.exchange.records import KINDS, Account, Advisor, Kind, Position
from brokers.simulator.gateway.gateway import OPENING_CASH, Gateway
from brokers.simulator.gateway.users import User

CURRENCIES = ("USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF")
_MOST_ACCOUNTS = 50
_MOST = Decimal("1e12")
_KNOWN = frozenset({"type", "currency", "cash", "positions", "sub_accounts"})
_KINDS: Mapping[str, Kind] = {"margin": "margin", "cash": "cash", "lite": "lite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A holding to begin with; without a price it cost what it is worth."""

    conid: int
    quantity: Decimal
    average_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One account as it should begin."""

    kind: Kind = "margin"
    currency: str = "USD"
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    sub_accounts: tuple[Seed, ...] = ()


def parse(body: Any, today: date, *, nested: bool = False) -> Seed:
    """What a request asks for; ValueError says what is wrong with it."""
    if not isinstance(body, dict):
        raise ValueError("A seed is an object.")
    if unknown := sorted(set(body) - _KNOWN):
        raise ValueError(f"Unknown {', '.join(unknown)}. Known: {', '.join(sorted(_KNOWN))}.")
    kind, currency = str(body.get("type", "margin")), str(body.get("currency", "USD")).upper()
    if kind not in _KINDS:
        raise ValueError(f"An account's type is one of {', '.join(KINDS)}.")
    if currency not in CURRENCIES:
        raise ValueError(f"An account is kept in one of {', '.join(CURRENCIES)}.")
    subs = body.get("sub_accounts") or []
    if isinstance(subs, int) and not isinstance(subs, bool):
        subs = [{"type": kind, "currency": currency}] * min(max(subs, 0), _MOST_ACCOUNTS + 1)
    if not isinstance(subs, list) or len(subs) > _MOST_ACCOUNTS or (nested and subs):
        raise ValueError(f"sub_accounts is a number or a list, at most {_MOST_ACCOUNTS}, and not nested.")
    return Seed(
        kind=_KINDS[kind],
        currency=currency,
        cash=_cash(body.get("cash"), currency, Decimal(0) if subs else OPENING_CASH),
        holdings=tuple(_holding(row, today) for row in body.get("positions") or []),
        sub_accounts=tuple(parse(each, today, nested=True) for each in subs),
    )


def _cash(cash: Any, currency: str, default: Decimal) -> dict[str, Decimal]:
    """Balances by currency; an amount alone is in the account's own, which has its opening cash where the request names none."""
    amounts = cash if isinstance(cash, dict) else {} if cash is None else {currency: cash}
    balances = {currency: default}
    for name, amount in amounts.items():
        if str(name).upper() not in CURRENCIES:
            raise ValueError(f"Cash is in one of {', '.join(CURRENCIES)}.")
        balances[str(name).upper()] = _number(amount, "cash")
    return balances


def _holding(row: Any, today: date) -> Holding:
    if not isinstance(row, dict):
        raise ValueError("A position is an object.")
    instrument = catalogue.find(int(row["conid"])) if row.get("conid") else None
    if instrument is None and row.get("symbol"):
        instrument = catalogue.resolve(str(row["symbol"]), today)
    if instrument is None:
        raise ValueError("A position names a contract by its conid or symbol.")
    price = row.get("average_price")
    return Holding(
        conid=instrument.conid,
        quantity=_number(row.get("quantity"), "quantity"),
        average_price=None if price is None else _number(price, "average_price"),
    )


def _number(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} is a number.") from None
    if not number.is_finite() or abs(number) >= _MOST:
        raise ValueError(f"{name} is a number below a million million.")
    return number


def seed(gateway: Gateway, user: User, plan: Seed) -> list[str]:
    """Start a user over with accounts like these; returns their numbers, an advisor's own first."""
    first, *surplus = user.account_ids
    for account_id in user.account_ids:
        gateway.empty(gateway.engine.accounts[account_id])
    for account_id in surplus:
        _close(gateway, account_id)
    user.account_ids[:] = [first]
    master = gateway.engine.accounts[first]
    _furnish(gateway, master, plan)
    master.advisor = bool(plan.sub_accounts)
    for number, terms in enumerate(plan.sub_accounts, 1):
        account_id = gateway.account_id(f"{user.name}/{number}")
        sub = Account(account_id=account_id, username=user.name, opened_at=gateway.clock(), master_id=first)
        user.account_ids.append(account_id)
        gateway.engine.open_account(sub)
        _furnish(gateway, sub, terms)
    gateway.advisors[user.name] = Advisor(username=user.name)
    gateway.store.save([gateway.advisors[user.name]])
    user.start_over()
    user.session.selected_account = first
    return list(user.account_ids)


def _furnish(gateway: Gateway, account: Account, plan: Seed) -> None:
    account.kind, account.base = plan.kind, plan.currency
    for holding in plan.holdings:
        price, instrument = holding.average_price, catalogue.find(holding.conid)
        held = account.positions[holding.conid] = Position(
            account_id=account.account_id,
            conid=holding.conid,
            quantity=holding.quantity,
            average_price=gateway.mark(holding.conid) if price is None else price,
        )
        if instrument is not None and instrument.sec_type == "FUT":
            held.settled_on = local_day(instrument, gateway.clock())
    gateway.store.save(account.positions.values())
    gateway.fund(account, plan.cash)


def _close(gateway: Gateway, account_id: str) -> None:
    gateway.engine.accounts.pop(account_id)
    gateway.engine.by_account.pop(account_id, None)
    gateway.taken_ids.discard(account_id)
    gateway.store.close_account(account_id)
