"""Rows of the document that a statement of the intake takes, one for each delivery."""

from __future__ import annotations

from typing import Any

from strategies.domain.message.refusals import Refused
from strategies.domain.quota import Quota
from strategies.webhook.delivery import Accepted, Delivery

KEPT_OF_A_STRANGER = 2_000


def row(n: int, delivery: Delivery, quota: Quota | None) -> dict[str, Any]:
    """The n-th row: what is stored, counted, or kept of a refusal. Without a verdict it asks for the settings only."""
    verdict, context = delivery.verdict, delivery.context
    values: dict[str, Any] = {"n": n, "endpoint": delivery.endpoint, "read_under": context.version if context else ""}
    if verdict is None or context is None:
        return values
    values |= transport(delivery)
    values["content_type"] = delivery.content_type
    if quota is not None:
        values |= _counted(delivery, quota)
    if isinstance(verdict, Accepted):
        return values | _signal(delivery, verdict)
    of_a_flood = delivery.over or delivery.stranger
    if of_a_flood and quota is not None and not quota.worth_writing_down(stranger=delivery.stranger):
        return values
    return values | {
        "body": _kept(delivery),
        "status": verdict.status,
        "message_code": verdict.code,
        "sentence": verdict.message[:400],
        "field": verdict.field[:60],
    }


def _counted(delivery: Delivery, quota: Quota) -> dict[str, Any]:
    """The columns that the meter counts."""
    return {
        "metered": not delivery.stranger,
        "leaves": delivery.leaves,
        "stranger": delivery.stranger,
        "old_key": delivery.old_key and not delivery.stranger,
        "refused": isinstance(delivery.verdict, Refused) and not delivery.over,
        "over": delivery.over,
        "minute": quota.minute,
        "taken_minute_before": quota.taken_minute_before,
        "taken_hour_before": quota.taken_hour_before,
        "exits_minute_before": quota.exits_minute_before,
        "exits_hour_before": quota.exits_hour_before,
    }


def _signal(delivery: Delivery, verdict: Accepted) -> dict[str, Any]:
    message, aside = verdict.message, verdict.set_aside
    return {
        "body": verdict.text,
        "signal": delivery.signal,
        "key": verdict.key,
        "key_seconds": verdict.key_seconds,
        "reading": verdict.reading,
        "warnings": verdict.warnings,
        "ticker": message.symbol.name[:60],
        "action": message.action,
        "signal_time": message.signal_time,
        "not_before": delivery.not_before,
        "is_test": bool(message.test),
        "set_aside": aside.code if aside else "",
        "note": aside.sentence[:300] if aside else "",
    }


def transport(delivery: Delivery) -> dict[str, Any]:
    return {
        "log": delivery.log,
        "address": delivery.sender.address,
        "headers": delivery.headers,
        "received_at": delivery.received_at,
    }


def _kept(delivery: Delivery) -> str:
    body = delivery.body[:KEPT_OF_A_STRANGER] if delivery.stranger else delivery.body
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")


def key(delivery: Delivery) -> str | None:
    return delivery.verdict.key if isinstance(delivery.verdict, Accepted) else None
