"""Every action before and after: before, the books never see the order; after, it stands and the answer suffers."""

from __future__ import annotations

import contextlib
import http.client
from typing import Any

import pytest

from brokers.simulator.faults.faults import ACTIONS
from brokers.simulator.tests.conftest import Client, ticket

ORDERS = {"method": "POST", "path": "/iserver/account/*/orders"}
STANDS = "Filled"
# Action: its value, and the order's status in the books when it acts before and when it acts after.
CASES: dict[str, tuple[Any, str | None, str | None]] = {
    "delay_ms": (50, STANDS, STANDS),
    "hang": (True, None, STANDS),
    "status": (500, None, STANDS),
    "drop_connection": (True, None, STANDS),
    "truncate_body": (True, None, STANDS),
    "html_body": (True, None, STANDS),
    "gone_410": (True, None, STANDS),
    "no_session_tickle": (True, None, STANDS),
    "reject": ("No.", None, STANDS),
    "question": (["o163"], None, STANDS),
    "server_prompt": (True, None, STANDS),
    "failed_rows": ([0], None, STANDS),
    "unnamed_rows": ([0], None, STANDS),
    "silent_drop": (True, None, STANDS),
    "inactive": ("Held.", "Inactive", "Inactive"),
    "cancelled": ("Gone.", "Cancelled", "Cancelled"),
    "partial_fill": (0.4, "Submitted", "Submitted"),
    "held_until_open": (60, "PreSubmitted", "PreSubmitted"),
    "exchange_closed": (True, None, "Cancelled"),
    "duplicate_reference": (True, None, STANDS),
    "resized": (0.4, STANDS, STANDS),
    "second_order": (True, STANDS, STANDS),
    "cancel_waits": (60, STANDS, STANDS),
    "cancel_leg": ({"s": 0}, STANDS, STANDS),
    "lose_leg": ({"s": 0}, STANDS, STANDS),
    "foreign_stop": ({"s": 0}, STANDS, STANDS),
    "foreign_exit": ({"s": 0}, STANDS, STANDS),
    "held": ({"s": 60}, "Submitted", "Submitted"),
    "lose_session": (True, None, STANDS),
    "steal_session": (True, None, STANDS),
    "expire_lst": (True, None, STANDS),
    "delay_established_ms": (0, None, STANDS),
    "false_empty_orders": (1, STANDS, STANDS),
    "penalty_box": (60, None, STANDS),
    "ws_close": (1001, STANDS, STANDS),
    "spoil": ({"spoiled": True}, STANDS, STANDS),
    "nonsense": ("number", None, STANDS),
    "frames": ("depth", STANDS, STANDS),
    "natural": (True, STANDS, STANDS),
    "suppress_ws": ({"topic": "sor", "s": 1}, STANDS, STANDS),
    "duplicate_event": ({"s": 1}, STANDS, STANDS),
    "reorder_events": ({"window": 2, "s": 1}, STANDS, STANDS),
    "correct_execution": ({"s": 1}, STANDS, STANDS),
    "clock_skew": ({"by_s": 60, "s": 1}, STANDS, STANDS),
    "no_market_data": ({"s": 1}, STANDS, STANDS),
    "no_market_data_agreement": ({"s": 1}, STANDS, STANDS),
    "unsaid_market_data": ({"s": 1}, STANDS, STANDS),
    "delayed": ({"s": 1}, STANDS, STANDS),
    "frozen": ({"s": 1}, STANDS, STANDS),
    "frozen_delayed": ({"s": 1}, STANDS, STANDS),
    "halted": ({"s": 1}, STANDS, STANDS),
    "empty_lists": ({"s": 1}, STANDS, STANDS),
    "lite_account": ({"s": 1}, None, STANDS),
    "pending_consumer": ({"s": 1}, STANDS, STANDS),
    "paper_username_error": ({"s": 1}, STANDS, STANDS),
    "stray_callback": ({"s": 1}, STANDS, STANDS),
    "daily_reset": ({"duration_s": 1}, None, STANDS),
    "weekend": ({"duration_s": 1}, None, STANDS),
    "permissions": ({"classes": "OPT,CASH", "s": 1}, None, STANDS),
    "session_stays_closed": ({"s": 1}, STANDS, STANDS),
    "session_wants_form": ({"s": 1}, STANDS, STANDS),
}
# They are about signing in: an order that goes with them is answered by a session that is not there yet.
_ABOUT_INIT = {"delay_established_ms"}


def act(client: Client, name: str, phase: str) -> str | None:
    """Arm, place, and look into the books."""
    action = {name: CASES[name][0], "hang_s": 0.1}
    client.gateway.fault(match={"user": client.user, **ORDERS}, action=action, phase=phase)
    with contextlib.suppress(OSError, http.client.HTTPException):
        client.place(ticket("seen"))
    client.gateway.clear_faults()
    order = client.gateway.books(client.user).get("seen")
    return order["status"] if order else None


@pytest.mark.parametrize("name", sorted(set(CASES) - _ABOUT_INIT))
def test_before_it_acts_before_the_books(client: Client, name: str) -> None:
    assert act(client, name, "before") == CASES[name][1]


@pytest.mark.parametrize("name", sorted(set(CASES) - _ABOUT_INIT))
def test_after_it_acts_on_what_stands(client: Client, name: str) -> None:
    assert act(client, name, "after") == CASES[name][2]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_sign_in_is_delayed(client: Client, phase: str) -> None:
    client.gateway.lose(client.user)
    client.gateway.fault(
        match={"user": client.user, "path": "/iserver/auth/ssodh/init"},
        action={"delay_established_ms": 60_000},
        phase=phase,
    )
    shown = client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert shown["established"] is (phase == "after")
    assert client.post("/iserver/auth/status")["established"] is False


def test_every_action_has_its_case() -> None:
    assert set(CASES) == ACTIONS
