"""An advisor's groups at IBKR: read one by one, and written once. Bodies are hostile: what does not fit is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokers.domain.advisors.groups import MOST_CLIENTS, MOST_GROUPS, NAME_LENGTH, Group, Member, Method, Shown
from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.domain.sentences import cut
from brokers.ibkr.answers import demand
from brokers.ibkr.cleaning import account, mapping, name
from brokers.ibkr.client import Client
from brokers.ibkr.lines.requests import KeptBack, NoAnswer, NotDelivered, Request
from brokers.ibkr.numbers import number, plain
from brokers.ibkr.outcomes import error_text
from brokers.ibkr.reads import Reads
from brokers.ibkr.translate import rows
from brokers.ibkr.words import ALLOCATION_METHODS

_PATH = "iserver/account/allocation/group"
_ONE = "iserver/account/allocation/group/single"
_REMOVE = "iserver/account/allocation/group/delete"
_MOST_OF_A_REFUSAL = 200
_METHODS = {letter: Method(ours) for ours, letter in ALLOCATION_METHODS.items()}


async def read(client: Client, reads: Reads) -> Shown:
    """The groups of the user; none for a user who is no advisor. One request lists them, one more is made for each."""
    accounts = await reads.accounts_as_read()
    if not mapping(accounts, "allowFeatures").get("allowFA"):
        return Shown()
    listed = rows(await reads.get(_PATH), "data")
    names = dict.fromkeys(each for row in listed if (each := name(row.get("name"), NAME_LENGTH)))
    found, unread = [], set(list(names)[MOST_GROUPS:])
    for each in list(names)[:MOST_GROUPS]:
        body = demand(await client.read(Request("POST", _ONE, body={"name": each})))
        group = group_of(body, each)
        if group is None:
            unread.add(each)
        else:
            found.append(group)
    return Shown(tuple(found), frozenset(unread))


def group_of(body: Any, asked: str) -> Group | None:
    """The group that was asked for; None where the answer is about another, or by a method that nobody knows."""
    body = mapping(body)
    method = _METHODS.get(name(body.get("default_method"), 4))
    if name(body.get("name"), NAME_LENGTH) != asked or method is None:
        return None
    members: dict[str, Member] = {}
    listed = body.get("accounts") if isinstance(body.get("accounts"), list) else []
    complete = isinstance(body.get("accounts"), list) and len(listed) <= MOST_CLIENTS
    for row in listed[:MOST_CLIENTS]:
        number_of = account(row.get("name")) if isinstance(row, Mapping) else ""
        if not number_of or number_of in members:
            complete = False
            continue
        members[number_of] = Member(number_of, number(row.get("amount")) if method.takes_amounts else None)
    return Group(name=asked, method=method, members=tuple(members.values()), complete=complete)


async def save(client: Client, group: Group, *, new: bool) -> None:
    """Make a group, or give the one of its name another method and other accounts; sent once."""
    body: dict[str, Any] = {
        "name": group.name,
        "accounts": [_member(member) for member in group.members],
        "default_method": ALLOCATION_METHODS[str(group.method)],
    }
    if not new:
        body["prev_name"] = group.name
    await _write(client, Request("POST" if new else "PUT", _PATH, body=body))


async def remove(client: Client, group_name: str) -> None:
    """Remove a group; sent once."""
    await _write(client, Request("POST", _REMOVE, body={"name": group_name}))


def _member(member: Member) -> dict[str, Any]:
    return {"name": member.account_id} | ({} if member.amount is None else {"amount": plain(member.amount)})


async def _write(client: Client, request: Request) -> None:
    """OrderRefused where IBKR said no; BrokerUnavailable `not-reached` where provably nothing arrived, and `answer-lost`
    where nobody knows."""
    try:
        answer = await client.write(request)
    except NotDelivered as problem:
        raise BrokerUnavailable(f"IBKR could not be reached: {problem}.", code="not-reached") from problem
    except KeptBack as kept:
        raise BrokerUnavailable(kept.outcome.reason, code="not-reached") from kept
    except NoAnswer as problem:
        raise BrokerUnavailable(f"IBKR did not answer: {problem}.", code="answer-lost") from problem
    if answer.status >= 500:
        raise BrokerUnavailable(f"IBKR could not answer (status {answer.status}).", code="answer-lost")
    if refusal := error_text(answer.body) if answer.status in {200, 400, 403, 404} else "":
        words = cut(refusal, _MOST_OF_A_REFUSAL)
        raise OrderRefused(f'IBKR refused the group, and nothing was changed: "{words}"', code="group-refused")
    body = demand(answer)
    if not isinstance(body, Mapping) or body.get("success") is not True:
        raise BrokerUnavailable("IBKR's answer does not say whether it did so.", code="answer-lost")
