"""IBKR's previews of orders as JSON, and what it was asked about an entry before that left."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.api.fields import Moment
from brokers.domain.whatif.figures import WhatIfStatus
from brokers.domain.whatif.verdict import Verdict
from brokers.models import Order
from brokers.whatif import before_entries


class FigureSerializer(serializers.Serializer[Any]):
    """An amount in the account's currency before the order, by how much it changes, and after it; null where not said."""

    before = serializers.CharField(allow_null=True)
    change = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class CommissionSerializer(serializers.Serializer[Any]):
    least = serializers.CharField()
    most = serializers.CharField()
    currency = serializers.CharField()


class PreviewSerializer(serializers.Serializer[Any]):
    """What IBKR said. `refusal`: why it would not take the order; `short`: for want of money."""

    equity = FigureSerializer()
    initial = FigureSerializer()
    maintenance = FigureSerializer()
    commission = CommissionSerializer(allow_null=True)
    warning = serializers.CharField(allow_blank=True)
    refusal = serializers.CharField(allow_blank=True)
    short = serializers.BooleanField()


class AskedFirstSerializer(serializers.Serializer[Any]):
    """What IBKR was asked about an entry before it left, as its terms say, and whether it might leave by that.

    `answer` is in the account's currency, and null until IBKR has given one. `reason` says why the entry was not sent.
    """

    status = serializers.ChoiceField(choices=[str(each) for each in WhatIfStatus])
    asked_at = Moment()
    answered_at = Moment(allow_null=True)
    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    reason = serializers.CharField(allow_blank=True)
    reason_code = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    answer = PreviewSerializer(allow_null=True)


def asked_first_of(order: Order) -> Any:
    """What IBKR was asked about the order before it left, the first question first. Load it by `with_previews`."""
    return AskedFirstSerializer(before_entries.shown(order), many=True).data
