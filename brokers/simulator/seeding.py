"""A user's accounts as a test or a person wants them: their kind, currency and cash, and an advisor's sub-accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.gateway import OPENING_CASH, Gateway, User
from brokers.simulator.records import KINDS, Account, Advisor, Kind

_MOST_ACCOUNTS = 50
_MOST_CASH = Decimal("1e12")
_KNOWN = frozenset({"type", "currency", "cash", "sub_accounts"})
_KINDS: Mapping[str, Kind] = {"margin": "margin", "cash": "cash", "lite": "lite"}
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One account as it should begin."""

    kind: Kind = "margin"
    currency: str = "USD"
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    sub_accounts: tuple[Seed, ...] = ()


def parse(body: Any, *, nested: bool = False) -> Seed:
    """What a request asks for; ValueError says what is wrong with it."""
    if not isinstance(body, dict):
        raise ValueError("A seed is an object.")
    if unknown := sorted(set(body) - _KNOWN):
        raise ValueError(f"Unknown {', '.join(unknown)}. Known: {', '.join(sorted(_KNOWN))}.")
    kind, currency = str(body.get("type", "margin")), str(body.get("currency", "USD")).upper()
    if kind not in _KINDS:
        raise ValueError(f"An account is one of {', '.join(KINDS)}.")
    if currency not in CURRENCIES:
        raise ValueError(f"An account is kept in one of {', '.join(CURRENCIES)}.")
    subs = body.get("sub_accounts", [])
    if isinstance(subs, int) and not isinstance(subs, bool):
        subs = [{"type": kind, "currency": currency}] * min(max(subs, 0), _MOST_ACCOUNTS + 1)
    if not isinstance(subs, list) or len(subs) > _MOST_ACCOUNTS or (nested and subs):
        raise ValueError(f"sub_accounts is a number or a list, at most {_MOST_ACCOUNTS}, and not nested.")
    default = Decimal(0) if subs else OPENING_CASH
    return Seed(
        kind=_KINDS[kind],
        currency=currency,
        cash=_cash(body.get("cash", default), currency),
        sub_accounts=tuple(parse(each, nested=True) for each in subs),
    )


def _cash(given: Any, currency: str) -> dict[str, Decimal]:
    amounts = given if isinstance(given, dict) else {currency: given}
    found: dict[str, Decimal] = {currency: Decimal(0)}
    for name, amount in amounts.items():
        try:
            exact = Decimal(str(amount))
        except InvalidOperation:
            raise ValueError(f"{amount} is no amount of money.") from None
        if name not in CURRENCIES or not exact.is_finite() or not 0 <= exact < _MOST_CASH:
            raise ValueError("Cash is an amount, or amounts by currency, from 0 to a trillion.")
        found[name] = exact
    return found


def seed(gateway: Gateway, user: User, wanted: Seed) -> list[str]:
    """Start a user over with accounts like these; returns their numbers, an advisor's own first."""
    first, *others = user.account_ids
    for account_id in user.account_ids:
        gateway.empty(gateway.engine.accounts[account_id])
    for account_id in others:
        _close(gateway, account_id)
    user.account_ids[:] = [first]
    master = gateway.engine.accounts[first]
    _furnish(gateway, master, wanted)
    master.advisor = bool(wanted.sub_accounts)
    for number, each in enumerate(wanted.sub_accounts, 1):
        account_id = gateway.account_id(f"{user.name}/{number}")
        sub = Account(account_id=account_id, username=user.name, opened_at=gateway.clock(), master_id=first)
        user.account_ids.append(account_id)
        gateway.engine.open_account(sub)
        _furnish(gateway, sub, each)
    gateway.advisors[user.name] = Advisor(username=user.name)
    gateway.store.save([gateway.advisors[user.name]])
    gateway.start_over(user)
    user.session.selected_account = first
    return list(user.account_ids)


def _furnish(gateway: Gateway, account: Account, wanted: Seed) -> None:
    account.kind, account.base = wanted.kind, wanted.currency
    gateway.fund(account, wanted.cash)


def _close(gateway: Gateway, account_id: str) -> None:
    gateway.engine.accounts.pop(account_id)
    gateway.engine.by_account.pop(account_id, None)
    gateway.taken_ids.discard(account_id)
    gateway.store.close_account(account_id)
