"""A stage on which each known failure is shown: its preset is armed, and the wire is watched."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brokers.simulator.tests.conftest import Client, ticket

FILE = Path(__file__).resolve().parents[3] / "ibkr" / "tests" / "data" / "failures.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()]
# Numbers, names and quoted orders differ from one account to the next.
_VARIES = re.compile(r'"[^"]*"|\b[\w-]*\d[\w.,-]*|\bGROUP\b|\bx\b')

# What belongs to one session or machine.
_OWN = frozenset({"session", "MAC"})


@dataclass
class Stage:
    """One failure of the file, one signed-in user, and what is armed for that user alone."""

    row: dict[str, Any]
    client: Client

    def arm(self, phase: str = "", times: int | None = 1, **action: Any) -> None:
        self.client.gateway.fault(
            preset=self.row["sim_fault"], match={"user": self.client.user}, action=action, phase=phase, times=times
        )

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.client.gateway.call(self.client.user, method, path.replace("ACCT", self.client.account), body)

    def post(self, *tickets: dict[str, Any]) -> tuple[int, Any]:
        return self.call("POST", "/iserver/account/ACCT/orders", {"orders": list(tickets)})

    def checked_call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a call, which must look as the file says."""
        return self.checked(self.call(method, path, body))

    def checked(self, answer: tuple[int, Any]) -> Any:
        status, body = answer
        assert status == (self.row["http_status"] or status)
        if self.row["body_origin"] != "none":
            alike(body, self.row["body"], words=self.row["body_origin"] != "illustrative")
        elif self.row["http_status"] == 503:
            assert body == ""
        return body

    def books(self) -> dict[str, dict[str, Any]]:
        return self.client.gateway.books(self.client.user)

    def status(self, reference: str) -> str:
        return str(self.books()[reference]["status"])

    def session(self) -> dict[str, Any]:
        status: dict[str, Any] = self.call("POST", "/iserver/auth/status")[1]
        return status

    def breaks(self, *tickets: dict[str, Any]) -> None:
        """An order post whose answer never arrives."""
        with pytest.raises((OSError, http.client.HTTPException)):
            self.post(*tickets)


def alike(body: Any, expected: Any, *, words: bool) -> None:
    """The same keys and types as in the file; the same words too, where they are the broker's own."""
    if isinstance(expected, dict):
        assert isinstance(body, dict), body
        for name, value in expected.items():
            assert name in body, (name, body)
            alike(body[name], value, words=words and name not in _OWN)
    elif isinstance(expected, list):
        assert isinstance(body, list), body
        assert bool(body) == bool(expected), body
        for inner, expected_inner in zip(body, expected, strict=False):
            alike(inner, expected_inner, words=words)
    elif isinstance(expected, str):
        assert isinstance(body, str), body
        if words:
            assert plain(body).startswith(plain(expected)), body
    elif isinstance(expected, bool) or expected is None:
        assert body is expected, (body, expected)
    else:
        assert isinstance(body, (int, float)), body


def plain(text: str) -> str:
    return _VARIES.sub("#", text.split("...", maxsplit=1)[0].split("…", maxsplit=1)[0])


SHOWN: dict[str, Callable[[Stage], None]] = {}


def shows(*names: str) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """This function shows these failures."""

    def register(show: Callable[[Stage], None]) -> Callable[[Stage], None]:
        for name in names:
            assert name not in SHOWN, f"{name} is shown twice"
            SHOWN[name] = show
        return show

    return register


def limit(reference: str, **changes: Any) -> dict[str, Any]:
    """An order that rests far from the market."""
    return ticket(reference, orderType="LMT", price=50.0, **changes)
