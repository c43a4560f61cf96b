"""Whose adopted orders are, over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Moment
from accounts.api.filters import public_id, ticker
from accounts.api.refusals import Conflict, Refused
from accounts.api.views import Listed
from accounts.models import Role, Scope
from brokers.models import Order
from strategies.control import adoptions
from strategies.control.adoptions import AdoptionRefused


class AdoptedSerializer(serializers.Serializer[Any]):
    """An order that was adopted. `subscription`: the one it counts for, null where nobody has said which or none is meant;
    `candidates`: those that trade its account; `chosen_at`: when somebody said it, null where nobody has."""

    order = serializers.UUIDField(source="order.code")
    account = serializers.UUIDField(source="order.account.code")
    ticker = serializers.CharField(source="order.ticker")
    adopted_at = Moment(source="order.ticket.adopted_at")
    subscription = serializers.UUIDField(source="meant.code", default=None, allow_null=True)
    candidates = serializers.ListField(child=serializers.UUIDField(), source="codes")
    chosen_at = Moment(allow_null=True)


class OwnerSerializer(serializers.Serializer[Any]):
    """The subscription that asked for the order; null: none of them."""

    subscription = serializers.UUIDField(allow_null=True)


class Adoptions(Listed):
    """Orders that were adopted, whose decision was lost: which subscription each was for."""

    queryset = adoptions.adopted_orders()
    serializer_class = AdoptedSerializer
    filters = {"account": public_id("account__code"), "ticker": ticker("ticker")}

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        return adoptions.owners_of(super().paginate_queryset(queryset) or [])

    @extend_schema(request=OwnerSerializer, responses=AdoptedSerializer)
    @action(detail=False, methods=["put"], url_path="<uuid:code>", url_name="choose")
    def choose(self, request: Request, code: UUID) -> Response:
        """Say which subscription an adopted order was for, by the order's id; it may be said again."""
        self.allow(Scope.TRADE, Role.TRADER)
        row = get_object_or_404(Order.objects.filter(team=self.team), code=code)
        subscription = self.body(OwnerSerializer)["subscription"]
        try:
            adoptions.choose(order=row, subscription=subscription, actor=self.actor, now=timezone.now())
        except AdoptionRefused as refused:
            if refused.code == "not-adopted":
                raise Conflict(str(refused), refused.code) from refused
            raise Refused(str(refused), refused.code, "subscription") from refused
        [said] = adoptions.owners_of(list(adoptions.adopted_orders().filter(pk=row.pk)))
        return Response(AdoptedSerializer(said).data)
