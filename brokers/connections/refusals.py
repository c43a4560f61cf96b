"""What a refused connection is about: the field at fault, on a page and in REST."""

from __future__ import annotations

from brokers.domain.live_money import NUMBER

FIELD_OF = {
    "no-simulator": "environment",
    "demo-team": "environment",
    "environment-stays": "environment",
    "invalid-username": "username",
    "username-taken": "username",
    "orders-work": "username",
    "certificate-unknown": "accepted",
    "invalid-address": "base_url",
    "address-not-encrypted": "base_url",
    "unknown-host": "base_url",
    "too-many-names": "base_url",
    "too-many-calls": "base_url",
    "private-address": "base_url",
    "numeric-host": "base_url",
    "port-not-allowed": "base_url",
    NUMBER: "account_number",
    "proxy-header": "header",
    "proxy-secret": "secret",
    "client-certificate": "certificate",
    "client-certificate-over": "certificate",
    "client-key": "key",
}
TOO_MANY_CALLS = "Gateways were called very often from here. Wait a minute, then try again."
