"""Accounts and the portfolio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from brokers.simulator.calls import Call, Handler, Routes
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.exchange.records import Account, Position
from brokers.simulator.shapes import accounts as account_shapes
from brokers.simulator.shapes import positions as position_shapes
from brokers.simulator.wire import Answer, error

ROUTES = Routes()


@ROUTES.add("GET", "/iserver/accounts")
def accounts(call: Call) -> Answer:
    session = call.user.session
    session.accounts_queried = True
    return Answer(account_shapes.accounts_of(call.gateway, call.user))


@ROUTES.add("POST", "/iserver/account")
def switch_account(call: Call) -> Answer:
    account_id = call.json().get("acctId")
    session = call.user.session
    if account_id not in call.user.account_ids:
        return error("Invalid account ID", 500, with_code=False)
    if account_id == session.selected_account:
        return Answer({"success": "Account already set"})
    session.selected_account = account_id
    return Answer({"set": True, "acctId": account_id})


def _of_account(handler: Callable[[Call, Account], Answer]) -> Handler:
    """Give the handler the account of the path, or answer that there is none."""

    def answer(call: Call) -> Answer:
        account_id = call.params["account"]
        if account_id not in call.user.account_ids:
            return error(f"Bad Request: accountId is not valid: {account_id}")
        return handler(call, call.gateway.engine.accounts[account_id])

    return answer


@ROUTES.add("GET", "/iserver/account/{account}/summary")
@_of_account
def account_summary(call: Call, account: Account) -> Answer:
    return Answer(account_shapes.summary(account, call.gateway.worth(account)))


@ROUTES.add("GET", "/iserver/account/{account}/summary/{part}")
@_of_account
def account_summary_part(call: Call, account: Account) -> Answer:
    parts = account_shapes.summary_part(call.params["part"], account, call.gateway.worth(account))
    return error("Not Found", 404) if parts is None else Answer(parts)


@ROUTES.add("GET", "/iserver/account/pnl/partitioned")
def pnl(call: Call) -> Answer:
    upnl: dict[str, Any] = {}
    if call.user.session.pnl_wanted:
        for account in call.gateway.accounts_of(call.user):
            upnl |= position_shapes.pnl(account, call.gateway.worth(account), websocket=False)
    return Answer({"upnl": upnl})


@ROUTES.add("GET", "/iserver/account/search/{pattern}")
def search_accounts(call: Call) -> Answer:
    pattern = call.params["pattern"]
    matching = [i for i in call.user.account_ids if pattern in i]
    matched = [{"accountId": i, "alias": i, "allocationId": i} for i in matching]
    return Answer({"matchedAccounts": matched, "pattern": pattern})


@ROUTES.add("POST", "/iserver/dynaccount")
def dynaccount(call: Call) -> Answer:
    """Choose one of very many accounts: a large broker's customers can, most logins cannot."""
    if call.gateway.behaviour.dynamic_accounts and (account_id := call.json().get("acctId")) in call.user.account_ids:
        call.user.session.selected_account = account_id
        return Answer({"set": True, "acctId": account_id})
    text = "Details currently unavailable. Please try again later and contact client services if the issue persists."
    return error(text, 503)


@ROUTES.add("GET", "/portfolio/accounts", "/portfolio/subaccounts", "/portfolio/subaccounts2")
def portfolio_accounts(call: Call) -> Answer:
    call.user.session.portfolio_queried = True
    return Answer([account_shapes.meta(a) for a in call.gateway.accounts_of(call.user)])


@ROUTES.add("GET", "/portfolio/{account}/meta")
@_of_account
def portfolio_meta(call: Call, account: Account) -> Answer:
    return Answer(account_shapes.meta(account))


@ROUTES.add("GET", "/portfolio/{account}/summary")
@_of_account
def portfolio_summary(call: Call, account: Account) -> Answer:
    worth, left = call.gateway.worth(account), call.gateway.behaviour.day_trades_left
    return Answer(account_shapes.portfolio_summary(account, worth, call.now, day_trades=left))


@ROUTES.add("GET", "/portfolio/{account}/ledger")
@_of_account
def ledger(call: Call, account: Account) -> Answer:
    return Answer(ledger_rows(call, account))


def ledger_rows(call: Call, account: Account) -> dict[str, Any]:
    value = call.gateway.worth(account)
    rate = call.gateway.rate
    currencies = sorted(account.cash.keys() | value.profits.keys())
    rows = {c: position_shapes.ledger_row(account, c, value, rate(c, account.base), call.now) for c in currencies}
    rows["BASE"] = position_shapes.ledger_row(account, "BASE", value, Decimal(1), call.now)
    return rows


@ROUTES.add("GET", "/portfolio/{account}/allocation")
@_of_account
def allocation(call: Call, account: Account) -> Answer:
    return Answer(_allocation(call, [account]))


@ROUTES.add("POST", "/portfolio/allocation")
def consolidated_allocation(call: Call) -> Answer:
    account_ids = call.json().get("acctIds") or []
    return Answer(_allocation(call, [a for a in call.gateway.accounts_of(call.user) if a.account_id in account_ids]))


def _allocation(call: Call, accounts: list[Account]) -> dict[str, Any]:
    classes: dict[str, Decimal] = {}
    for account in accounts:
        value = call.gateway.worth(account)
        for (currency, sec_type), held in [*value.held.items(), ((account.base, "CASH"), value.total_cash)]:
            worth = held * call.gateway.rate(currency)
            classes[sec_type] = classes.get(sec_type, Decimal(0)) + worth
    sectors = _sided({"Others": sum((v for c, v in classes.items() if c != "CASH"), Decimal(0))})
    return {"assetClass": _sided(classes), "sector": sectors, "group": sectors}


def _sided(amounts: Mapping[str, Decimal]) -> dict[str, dict[str, float]]:
    """What is held, and what is owed."""
    return {
        "long": {name: float(a) for name, a in amounts.items() if a >= 0},
        "short": {name: float(a) for name, a in amounts.items() if a < 0},
    }


@ROUTES.add("GET", "/portfolio/{account}/combo/positions")
@_of_account
def combo_positions(call: Call, account: Account) -> Answer:
    return Answer([])


def _held(account: Account) -> list[Position]:
    return sorted((p for p in account.positions.values() if p.quantity), key=lambda p: p.conid)


def _rows(call: Call, account: Account, held: list[Position], *, complete: bool = True) -> list[dict[str, Any]]:
    made = []
    for position in held:
        if (instrument := catalogue.find(position.conid)) is not None:
            mark = call.gateway.mark(position.conid)
            average = _shows_average(call, instrument)
            made.append(position_shapes.position_row(position, instrument, mark, complete=complete, average=average))
    return made


def _shows_average(call: Call, instrument: Instrument) -> bool:
    return instrument.sec_type != "FUT" or call.gateway.behaviour.average_price_of_futures


@ROUTES.add("GET", "/portfolio/{account}/positions/{page}", "/portfolio/{account}/positions")
@_of_account
def positions(call: Call, account: Account) -> Answer:
    page = call.params.get("page", "0")
    start = int(page) * 100 if page.isdigit() else 0
    first = call.user.session.read("positions") == 0
    complete = not (first and call.gateway.behaviour.cold_positions)
    return Answer(_rows(call, account, _held(account)[start : start + 100], complete=complete))


@ROUTES.add("POST", "/portfolio/{account}/positions/invalidate")
@_of_account
def invalidate_positions(call: Call, account: Account) -> Answer:
    return Answer({"message": "success"})


@ROUTES.add("GET", "/portfolio2/{account}/positions")
@_of_account
def positions2(call: Call, account: Account) -> Answer:
    rows = [
        position_shapes.position2_row(
            held, instrument, call.gateway.mark(held.conid), call.now, average=_shows_average(call, instrument)
        )
        for held in _held(account)
        if (instrument := catalogue.find(held.conid)) is not None
    ]
    return Answer(rows)


def _with_conid(account: Account, conid: str) -> list[Position]:
    return [p for p in _held(account) if str(p.conid) == conid]


@ROUTES.add("GET", "/portfolio/{account}/position/{conid}")
@_of_account
def position(call: Call, account: Account) -> Answer:
    return Answer(_rows(call, account, _with_conid(account, call.params["conid"])))


@ROUTES.add("GET", "/portfolio/positions/{conid}")
def positions_by_conid(call: Call) -> Answer:
    conid = call.params["conid"]
    by_account = {
        a.account_id: _rows(call, a, held, complete=False)
        for a in call.gateway.accounts_of(call.user)
        if (held := _with_conid(a, conid))
    }
    return Answer(by_account)
