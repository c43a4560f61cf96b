"""Recorded answers about sessions and accounts are read without loss: each value that is read is in the facts."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import AccountFacts, AccountSummary
from brokers.domain.capabilities import Capabilities
from brokers.domain.sessions import AuthStatus
from brokers.ibkr import translate
from brokers.ibkr.answers import demand, session_status, word_of
from brokers.ibkr.cleaning import mapping
from brokers.ibkr.lines.requests import Answer
from brokers.simulator.tests.conftest import shared_ibkr

KINDS = "STK,CFD,OPT,FOP,WAR,FUT,BAG,PDC,CASH,IND,BOND,BILL,FUND,SLB,News,CMDTY,IOPT,ICU,ICS,PHYSS,CRYPTO"
OPEN = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
ACCOUNT = AccountFacts(
    account_id="U1234567", is_paper=True, capabilities=Capabilities(lite=False, asset_types=KINDS), title=""
)


def body_of(name: str) -> Any:
    return json.loads((shared_ibkr() / "recordings" / f"{name}.json").read_text())["Response"]["Body"]


def _status(body: Any) -> AuthStatus:
    return session_status(Answer(200, body))


def _tickle(body: Any) -> AuthStatus:
    return session_status(Answer(200, body), mapping(mapping(body, "iserver"), "authStatus"))


def _word(body: Any) -> str:
    return word_of(Answer(200, body))


def _details(body: Any) -> list[AccountFacts]:
    return translate.account_facts(body_of("Accounts/GET-iserver-accounts"), translate.rows(body))


# How each recording is read, and the facts in it.
READ: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Session/GET-auth-status": (_status, OPEN),
    "Session/POST-ssodh-init": (_status, OPEN),
    "Session/POST-tickle": (_tickle, OPEN),
    "Session/POST-suppress": (_word, "submitted"),
    "Session/POST-suppress-reset": (_word, "submitted"),
    "Accounts/GET-iserver-accounts": (translate.account_facts, [ACCOUNT]),
    "Accounts/POST-switch-account": (lambda body: demand(Answer(200, body)), {"success": "Account already set"}),
    "Accounts/GET-account-summary": (
        translate.account_summary,
        AccountSummary(
            net_liquidation=Decimal(1005254),
            cash=Decimal(971870),
            buying_power=Decimal(3979324),
            available_funds=Decimal(994831),
            settled_cash=Decimal(971870),
            unrealized_pnl=None,
            realized_pnl=None,
            margin="margin",
        ),
    ),
    "Portfolio/GET-portfolio-ledger": (
        lambda body: translate.account_summary({}, body),
        AccountSummary(
            net_liquidation=None,
            cash=None,
            buying_power=None,
            settled_cash=Decimal("971869.6"),
            unrealized_pnl=Decimal("151.57"),
            realized_pnl=Decimal(0),
        ),
    ),
    # Of the same shape as /portfolio/accounts, of which there is no recording.
    "Portfolio/GET-portfolio-subaccounts": (
        _details,
        [
            AccountFacts(
                account_id="U1234567",
                is_paper=True,
                title="Test User",
                capabilities=Capabilities(lite=False, clearing="open", client_trades=True, asset_types=KINDS),
            )
        ],
    ),
}
# The product asks for none of these.
NOT_ASKED = {
    "Accounts/GET-account-summary-balances": "the summary has these figures as numbers",
    "Accounts/GET-account-summary-market-value": "positions have these figures one by one",
    "Accounts/GET-search-dynamic-account": "for brokers with very many accounts",
    "Accounts/POST-set-dynamic-account": "for brokers with very many accounts",
    "Portfolio/GET-portfolio-meta": "the list of accounts has the same rows",
}
# What is read and may still differ without a change of the facts.
SPARE = {
    "Accounts/GET-iserver-accounts .allowFeatures.allowFA": "an advisor has accounts below the own one, too",
}


class Noted(dict[str, Any]):
    """An object of a recording that notes which of its keys are read."""

    def __init__(self, values: dict[str, Any], where: str, read: set[str]) -> None:
        super().__init__({key: noted(value, f"{where}.{key}", read) for key, value in values.items()})
        self.where, self.read = where, read

    def get(self, key: str, default: Any = None) -> Any:
        if key in self.keys():
            self.read.add(f"{self.where}.{key}")
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(f"{self.where}.{key}")
        return super().__getitem__(key)


def noted(value: Any, where: str, read: set[str]) -> Any:
    if isinstance(value, dict):
        return Noted(value, where, read)
    return [noted(each, f"{where}[{n}]", read) for n, each in enumerate(value)] if isinstance(value, list) else value


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, list):
        return [*value, "U7654321"]
    return {"USD": "EUR", "O": "P", "": "Cash"}.get(value, f"{value} Two".replace("U1234567 Two", "U7654321"))


def leaves(value: Any, where: str = "") -> Iterator[str]:
    """Every value below, by its place; a list of plain values is one."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{where}.{key}")
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            yield from leaves(each, f"{where}[{number}]")
    else:
        yield where


def with_change(body: Any, where: str) -> Any:
    """The body with another value at this place."""
    made = copy.deepcopy(body)
    steps: list[Any] = [int(n) if n else key for key, n in re.findall(r"\.([^.\[]+)|\[(\d+)\]", where)]
    inner = made
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = changed(inner[steps[-1]])
    return made


def plain(facts: Any) -> Any:
    return [asdict(each) for each in facts] if isinstance(facts, list) else facts


@pytest.mark.parametrize("name", READ)
def test_the_facts_are_those_of_the_recording(name: str) -> None:
    read, facts = READ[name]
    assert read(body_of(name)) == facts


# Of a switched account nothing is read but that it is no error.
@pytest.mark.parametrize("name", sorted(set(READ) - {"Accounts/POST-switch-account"}))
def test_no_value_that_is_read_is_lost(name: str) -> None:
    read, facts = READ[name]
    body, keys = body_of(name), set[str]()
    read(noted(body, "", keys))
    used = {where for where in leaves(body) if where in keys}
    assert used
    lost = {where for where in used if plain(read(with_change(body, where))) == plain(facts)}
    assert {f"{name} {where}" for where in lost} == {spare for spare in SPARE if spare.startswith(f"{name} ")}


def test_every_recording_of_these_paths_is_read_or_never_asked_for() -> None:
    folder = shared_ibkr() / "recordings"
    recorded = {f"{path.parent.name}/{path.stem}" for path in folder.rglob("*.json")}
    about = {name for name in recorded if name.startswith(("Session/", "Accounts/"))} | {
        "Portfolio/GET-portfolio-ledger",
        "Portfolio/GET-portfolio-subaccounts",
        "Portfolio/GET-portfolio-meta",
    }
    assert about == set(READ) | set(NOT_ASKED)


@pytest.mark.parametrize("change", [{"acctId": "U1234567", "set": True}, {}])
def test_a_switched_account_is_no_error_in_either_form(change: dict[str, Any]) -> None:
    assert demand(Answer(200, change)) == change
