"""Groups as values, and as a gateway may send them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.advisors.groups import (
    MOST_CLIENTS,
    Group,
    Member,
    Method,
    members_from_json,
    members_json,
    problem_of,
)
from brokers.ibkr.advisors.groups import group_of
from brokers.ibkr.words import ALLOCATION_METHODS

KNOWN = {"DU1", "DU2"}


def group(method: Method = Method.EQUAL_QUANTITY, name: str = "Family", **amounts: Any) -> Group:
    members = tuple(Member(number, None if n is None else Decimal(n)) for number, n in amounts.items())
    return Group(name=name, method=method, members=members)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (group(DU1=None, DU2=None), ""),
        (group(Method.PERCENTAGE, DU1="33.5", DU2="66.5"), ""),
        (group(Method.RATIOS, DU1=3, DU2=1), ""),
        (group(), "group-empty"),
        (group(DU1=None, DU9=None), "group-account-unknown"),
        (group(name="DU1", DU1=None), "group-name-taken"),
        (group(name="all", DU1=None), "group-name-taken"),
        (group(name="a/b", DU1=None), "group-name"),
        (group(name=" ", DU1=None), "group-name"),
        (group(name="x" * 65, DU1=None), "group-name"),
        (group(Method.RATIOS, DU1=3, DU2=None), "group-amount-missing"),
        (group(Method.SHARES, DU1=0), "group-amount-missing"),
        (group(Method.PERCENTAGE, DU1=50, DU2=49), "group-percentages"),
    ],
)
def test_a_group_that_ibkr_could_not_divide_by_is_said_so(asked: Group, code: str) -> None:
    problem = problem_of(asked, KNOWN)
    assert (problem.code if problem else "") == code
    assert problem is None or problem.reason.endswith(".")


def test_an_account_is_in_a_group_once() -> None:
    twice = Group(name="Family", method=Method.NET_LIQUIDATION, members=(Member("DU1"), Member("DU1")))
    problem = problem_of(twice, KNOWN)
    assert problem is not None
    assert problem.code == "group-account-twice"


def test_members_are_kept_and_read_as_they_were() -> None:
    members = (Member("DU1", Decimal("0.5")), Member("DU2"))
    assert members_from_json(members_json(members)) == members


def test_every_method_has_ibkrs_letter() -> None:
    assert {str(method) for method in Method} == set(ALLOCATION_METHODS)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"name": "Another", "default_method": "E", "accounts": []},
        {"name": "Family", "default_method": "X", "accounts": [{"name": "DU1"}]},
        {"name": "Family", "default_method": ["E"], "accounts": [{"name": "DU1"}]},
        {"name": 5, "default_method": "E", "accounts": {"name": "DU1"}},
    ],
)
def test_what_is_no_group_is_left_out(body: Any) -> None:
    assert group_of(body, "Family") is None


def test_members_of_a_hostile_gateway_are_bounded_and_clean() -> None:
    many = [{"name": f"DU{n}", "amount": n} for n in range(5000)]
    odd = [{"name": "../x"}, {"name": None}, 7, {"name": "DU1", "amount": "1e99"}, {"name": "DU1", "amount": 2}]
    read = group_of({"name": "Family", "default_method": "R", "accounts": odd + many}, "Family")
    assert read is not None
    assert len(read.members) <= MOST_CLIENTS
    assert not read.complete
    assert read.members[0] == Member("DU1", None)
    assert all(member.account_id.isalnum() for member in read.members)


@pytest.mark.parametrize(
    ("accounts", "complete"),
    [
        ([{"name": "DU1"}, {"name": "DU2"}], True),
        ([{"name": "DU1"}, {"name": "../x"}], False),
        ([{"name": "DU1"}, {"name": "DU1"}], False),
        ([{"name": "DU1"}, 7], False),
        ([{"name": f"DU{n}"} for n in range(MOST_CLIENTS + 1)], False),
        ({"name": "DU1"}, False),
    ],
)
def test_what_could_not_be_read_of_a_group_is_known_to_be_missing(accounts: Any, complete: bool) -> None:
    read = group_of({"name": "Family", "default_method": "E", "accounts": accounts}, "Family")
    assert read is not None
    assert read.complete is complete
