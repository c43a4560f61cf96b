"""IBKR's previews of a plan's orders as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from brokers.api.previews import PreviewSerializer
from brokers.domain.whatif.figures import WhatIfStatus
from brokers.whatif import asking
from strategies.display import explanation, what_ifs
from strategies.models import Decision


class WhatIfSerializer(serializers.Serializer[Any]):
    """One order put before IBKR's preview; `position` counts the orders of the plan as `assessment` does.

    `answer` is null until IBKR has given one; where it gives none, `reason` says why and `reason_code` never changes.
    """

    position = serializers.IntegerField()
    currency = serializers.CharField()
    order = serializers.DictField()
    status = serializers.ChoiceField(choices=[str(each) for each in WhatIfStatus])
    asked_at = serializers.DateTimeField()
    asked_by = serializers.CharField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)
    answer = PreviewSerializer(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    reason_code = serializers.CharField(allow_blank=True)


def what_ifs_of(decision: Decision) -> Any:
    """The latest preview of each order of the plan."""
    plan = explanation.plan_of(decision)
    rows = [each.row for each in what_ifs.beside(plan, asking.of_plan(decision.code)) if each.row] if plan else []
    shown = [
        {
            "position": row.position,
            "currency": decision.subscription.account.currency,
            "order": row.request,
            "status": row.status,
            "asked_at": row.asked_at,
            "asked_by": row.asked_by.email if row.asked_by else None,
            "answered_at": row.answered_at,
            "answer": row.answer,
            "reason": row.reason,
            "reason_code": row.reason_code,
        }
        for row in rows
    ]
    return WhatIfSerializer(shown, many=True).data
