"""The tables that grow with every signal, order or delivery, or with every minute of a webhook."""

from __future__ import annotations

GROWING = frozenset(
    {
        "accounts_auditentry",
        "brokers_call",
        "brokers_equitypoint",
        "brokers_execution",
        "brokers_fillchange",
        "brokers_fillrate",
        "brokers_netfill",
        "brokers_order",
        "brokers_orderevent",
        "brokers_submissionattempt",
        "brokers_ticket",
        "strategies_decision",
        "strategies_profitday",
        "strategies_refusal",
        "strategies_repeat",
        "strategies_seenkey",
        "strategies_signal",
        "strategies_trade",
        "strategies_tradepart",
        "strategies_webhookminute",
    }
)
