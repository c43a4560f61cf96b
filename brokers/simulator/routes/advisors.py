"""An advisor's groups of accounts: what an order for several accounts is divided by."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.calls import Call, Handler, Routes
from brokers.simulator.exchange.advisors import BY_AMOUNT, METHODS
from brokers.simulator.exchange.records import Account, Advisor, Group
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_PATH = "/iserver/account/allocation"
_PRESETS: dict[str, bool | str] = {
    "group_auto_close_positions": False,
    "default_method_for_all": "N",
    "profiles_auto_close_positions": False,
    "strict_credit_check": False,
    "group_proportional_allocation": False,
}
_MOST_GROUPS = 200
_NAME_LENGTH = 64


class Unfit(Exception):
    """What is wrong with a group."""


def _for_advisors(handler: Callable[[Call, Advisor], Answer]) -> Handler:
    """Give the handler the advisor, or answer that only advisors have groups."""

    def answer(call: Call) -> Answer:
        if not any(a.advisor for a in call.gateway.accounts_of(call.user)):
            return error("Allocation groups are for advisor accounts only.", 400)
        advisor = call.gateway.advisors.setdefault(call.user.name, Advisor(username=call.user.name))
        try:
            return handler(call, advisor)
        except Unfit as reason:
            return error(str(reason), 400)

    return answer


def _sub_accounts(call: Call) -> list[Account]:
    return [a for a in call.gateway.accounts_of(call.user) if not a.advisor]


@ROUTES.add("GET", f"{_PATH}/accounts")
@_for_advisors
def allocatable(call: Call, advisor: Advisor) -> Answer:
    rows = []
    for account in _sub_accounts(call):
        value = call.gateway.worth(account)
        figures = {"NetLiquidation": value.net_liquidation, "AvailableEquity": value.available_funds}
        data = [{"value": f"{round(amount, 2):f}", "key": name} for name, amount in figures.items()]
        rows.append({"data": data, "name": account.account_id})
    return Answer({"accounts": rows})


@ROUTES.add("GET", f"{_PATH}/group")
@_for_advisors
def groups(call: Call, advisor: Advisor) -> Answer:
    return Answer(
        {
            "data": [
                {"allocation_method": g.method, "size": len(g.members), "name": g.name} for g in advisor.groups.values()
            ]
        }
    )


@ROUTES.add("POST", f"{_PATH}/group/single")
@_for_advisors
def one_group(call: Call, advisor: Advisor) -> Answer:
    group = _known(advisor, _body(call).get("name"))
    accounts = [{"name": a} if n is None else {"name": a, "amount": float(n)} for a, n in group.members]
    return Answer({"name": group.name, "accounts": accounts, "default_method": group.method})


@ROUTES.add("POST", f"{_PATH}/group")
@_for_advisors
def add_group(call: Call, advisor: Advisor) -> Answer:
    group = _group(call, _body(call))
    if group.name in advisor.groups:
        raise Unfit(f"Group {group.name} exists already.")
    if len(advisor.groups) >= _MOST_GROUPS:
        raise Unfit(f"An advisor has at most {_MOST_GROUPS} groups.")
    advisor.groups[group.name] = group
    return _saved(call, advisor)


@ROUTES.add("PUT", f"{_PATH}/group")
@_for_advisors
def change_group(call: Call, advisor: Advisor) -> Answer:
    """A new list of accounts; a new name too, where the body has the previous one in either spelling."""
    body = _body(call)
    before = _known(advisor, body.get("prev_name") or body.get("previous_name") or body.get("name"))
    group = _group(call, {"accounts": _members_of(before), "default_method": before.method} | body)
    if group.name != before.name and group.name in advisor.groups:
        raise Unfit(f"Group {group.name} exists already.")
    del advisor.groups[before.name]
    advisor.groups[group.name] = group
    return _saved(call, advisor)


@ROUTES.add("POST", f"{_PATH}/group/delete")
@_for_advisors
def delete_group(call: Call, advisor: Advisor) -> Answer:
    del advisor.groups[_known(advisor, _body(call).get("name")).name]
    return _saved(call, advisor)


@ROUTES.add("GET", f"{_PATH}/presets")
@_for_advisors
def presets(call: Call, advisor: Advisor) -> Answer:
    return Answer(_PRESETS | dict(advisor.presets))


@ROUTES.add("POST", f"{_PATH}/presets")
@_for_advisors
def set_presets(call: Call, advisor: Advisor) -> Answer:
    body = _body(call)
    for name, value in body.items():
        fits = value in METHODS if name == "default_method_for_all" else isinstance(value, bool)
        if name not in _PRESETS or not fits:
            raise Unfit(f"The preset {name[:40]} does not take that.")
    advisor.presets = dict(advisor.presets) | body
    return _saved(call, advisor)


def _body(call: Call) -> dict[str, Any]:
    body = call.json()
    if not isinstance(body, dict):
        raise Unfit("Bad Request: an object is expected")
    return body


def _known(advisor: Advisor, name: object) -> Group:
    if not isinstance(name, str) or name not in advisor.groups:
        raise Unfit(f"Group {str(name)[:_NAME_LENGTH]} doesn't exist.")
    return advisor.groups[name]


def _members_of(group: Group) -> list[dict[str, Any]]:
    return [{"name": account_id, "amount": amount} for account_id, amount in group.members]


def _group(call: Call, body: dict[str, Any]) -> Group:
    """A group as it is sent; names that could be mistaken for an account are refused."""
    name, method, rows = body.get("name"), body.get("default_method"), body.get("accounts")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_LENGTH or "/" in name:
        raise Unfit(f"A group needs a name of 1 to {_NAME_LENGTH} characters, without a slash.")
    if name in call.user.account_ids or name == "All":
        raise Unfit("A group cannot have the name of an account.")
    if not isinstance(method, str) or method not in METHODS:
        raise Unfit(f"default_method is one of {', '.join(sorted(METHODS))}.")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Unfit("A group needs its accounts.")
    members = tuple((str(row.get("name")), _amount(row.get("amount"), method)) for row in rows)
    known = {a.account_id for a in _sub_accounts(call)}
    if unknown := [a for a, _ in members if a not in known]:
        raise Unfit(f"Account {unknown[0][:_NAME_LENGTH]} is not one of your accounts.")
    if len({a for a, _ in members}) < len(members):
        raise Unfit("Each account may be in the group once.")
    return Group(name=name, method=method, members=members)


def _amount(value: Any, method: str) -> Decimal | None:
    if method not in BY_AMOUNT | {"C"}:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise Unfit("This method needs an amount for each account.") from None
    if isinstance(value, bool) or not amount.is_finite() or not 0 < amount < Decimal("1e12"):
        raise Unfit("An amount is more than zero.")
    return amount


def _saved(call: Call, advisor: Advisor) -> Answer:
    call.gateway.store.save([advisor])
    return Answer({"success": True})
