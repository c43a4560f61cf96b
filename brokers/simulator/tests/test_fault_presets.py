from __future__ import annotations

import json

import pytest

from brokers.simulator.fault_presets import PRESETS
from brokers.simulator.faults import ACTIONS, Faults
from brokers.simulator.tests.conftest import Client, shared_ibkr, ticket

# Failures that come about by themselves: the gateway behaves so without a fault.
_INHERENT = {
    "hmds_no_bridge",
    "account_not_valid",
    "switch_account_invalid",
    "switch_account_already_set",
    "fa_group_unknown",
    "order_bad_json",
    "order_bad_type",
    "order_bad_side",
    "order_unknown_type",
    "order_no_conid",
    "order_price_fields",
    "order_tif_null",
    "order_no_secdef",
    "order_futures_manual_indicator",
    "order_fractional_not_allowed",
    "duplicate_coid",
    "reply_declined",
    "suppress_too_many",
    "held_until_open",
    "cancel_ack_is_not_cancelled",
    "tif_close_alias",
    "regsnapshot_gone",
    "symbol_ambiguous",
    "ws_waiting_for_session",
    "ws_sts_unauthenticated",
    "ws_sts_competing",
    "ws_delta_without_order_ref",
}
# Not simulated yet: OAuth, alerts, options, corrections of events.
_MISSING = {
    "invalid_consumer",
    "oauth_portal_501",
    "lst_signature_mismatch",
    "oauth_timestamp_or_nonce_reused",
    "oauth2_ip_changed",
    "paper_username_not_associated",
    "order_canada_restricted",
    "cancelled_exchange_reject",
    "out_of_order_updates",
    "execution_correction",
    "strikes_empty",
    "alert_write_403",
    "ws_heartbeat_missing",
}


def test_every_known_failure_has_a_preset_or_a_reason() -> None:
    lines = (shared_ibkr() / "failures.jsonl").read_text().splitlines()
    known = {json.loads(line)["sim_fault"] or json.loads(line)["id"] for line in lines}
    assert known == set(PRESETS) | _INHERENT | _MISSING
    assert len(known) == len(PRESETS) + len(_INHERENT) + len(_MISSING)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_can_be_armed(name: str) -> None:
    armed = Faults().arm({"preset": name, "match": {"user": "alice"}}, 0.0)
    assert armed.match["user"] == "alice"
    assert set(armed.action) <= ACTIONS | {"body", "hang_s"}


def test_a_preset_hits_over_the_wire(client: Client) -> None:
    client.gateway.fault(preset="session_stolen_midflight", match={"user": client.user})
    path = f"/iserver/account/{client.account}/orders"
    assert client.gateway.call(client.user, "POST", path, {"orders": [ticket("p-1")]}) == (503, "")
    assert client.post("/tickle")["iserver"]["authStatus"]["competing"] is True
    client.gateway.sign_in(client.user)
    assert client.order("p-1")["status"] == "Filled"


def test_an_unknown_preset_is_named(client: Client) -> None:
    status, body = client.gateway.request("POST", "/sim/v1/faults", {"preset": "meteor"})
    assert (status, body["error"]) == (400, "Unknown preset meteor. GET /sim/v1/presets names them all.")
