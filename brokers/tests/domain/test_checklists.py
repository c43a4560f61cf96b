"""A connection's checklist ticks itself where Halyard has looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from brokers.domain.capabilities import Capabilities
from brokers.domain.help.checklists import Seen, checklist
from brokers.domain.help.pages import PAGES
from brokers.domain.sessions import Environment

PRO = Capabilities(lite=False, asset_types="STK,OPT", clearing="open")
NEW = Seen(
    environment=Environment.PAPER, paper_connected=False, accounts=(), was_active=False, shared_at=None, quoted=False
)
WHOLE = replace(NEW, paper_connected=True, accounts=(PRO,), was_active=True, quoted=True)
QUARREL = datetime(2026, 11, 20, tzinfo=UTC)


def done(seen: Seen) -> dict[str, bool | None]:
    return {check.page: check.done for check in checklist(seen)}


def test_of_a_new_connection_nothing_is_claimed() -> None:
    assert done(NEW) == {
        "paper-account": False,
        "sign-in": None,
        "lite": None,
        "permissions": None,
        "dedicated-user": None,
        "market-data": None,
    }


def test_all_of_it_is_ticked_once_it_was_seen() -> None:
    assert set(done(WHOLE).values()) == {True}


@pytest.mark.parametrize(
    ("seen", "page", "now"),
    [
        ({"shared_at": QUARREL}, "dedicated-user", False),
        ({"accounts": (PRO, replace(PRO, lite=True))}, "lite", False),
        ({"accounts": (replace(PRO, asset_types=""),)}, "permissions", False),
        ({"accounts": (replace(PRO, asset_types="News"),)}, "permissions", False),
        ({"quoted": False}, "market-data", None),
        ({"paper_connected": False}, "paper-account", False),
        ({"was_active": False}, "sign-in", None),
    ],
)
def test_what_is_not_so_is_said(seen: dict[str, Any], page: str, now: bool | None) -> None:
    assert done(replace(WHOLE, **seen))[page] is now


def test_the_simulated_broker_is_spared_what_is_ibkrs_own() -> None:
    assert list(done(replace(WHOLE, environment=Environment.SIMULATED))) == ["sign-in", "lite", "permissions"]


def test_every_line_has_its_page() -> None:
    assert {check.page for check in checklist(NEW)} <= set(PAGES)
