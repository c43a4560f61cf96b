"""An advisor's groups over REST, with how an order would be divided: by the rulebook, before any order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Amount
from accounts.api.refusals import Conflict, Refused
from brokers.api import groups
from brokers.models import AccountGroup
from strategies.deciding.advisors.groups import at_rest, cast_of
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.shares import Size, shares_of
from strategies.pages.dividing import USUAL


class DividedSerializer(serializers.Serializer[Any]):
    """Of how many units, and what one of them needs of an account's funds; left out, everybody can pay."""

    quantity = serializers.DecimalField(max_digits=24, decimal_places=8, min_value=Decimal("0.00000001"), default=USUAL)
    unit_margin = serializers.DecimalField(
        max_digits=24, decimal_places=8, min_value=Decimal("0.00000001"), required=False
    )


class ShareSerializer(serializers.Serializer[Any]):
    """What an account would get; `unpaid` is what IBKR cancels of its share, since it cannot pay for it."""

    account_id = serializers.CharField()
    quantity = Amount(max_digits=24, decimal_places=8)
    unpaid = Amount(max_digits=24, decimal_places=8)


class PreviewSerializer(serializers.Serializer[Any]):
    """How the rulebook divides an order, by the accounts' money as it was last seen. IBKR divides by what the group is when
    the order arrives."""

    method = serializers.CharField()
    quantity = Amount(max_digits=24, decimal_places=8)
    shares = ShareSerializer(many=True)


class Groups(groups.Groups):
    """An advisor's groups of accounts, those that are gone included."""

    @extend_schema(
        parameters=[
            OpenApiParameter("quantity", str, description="Units of the order; 100 where left out."),
            OpenApiParameter("unit_margin", str, description="What one unit needs of an account's funds."),
        ],
        responses=PreviewSerializer,
    )
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, code: str) -> Response:
        """Who would get how many of an order; 409 with the code of the rejection where it could not be divided."""
        row: AccountGroup = self.get_object()
        reader = DividedSerializer(data=request.GET.dict())
        if unknown := [name for name in request.GET if name not in reader.fields]:
            known = ", ".join(reader.fields)
            raise Refused(
                f"There is no parameter {unknown[0][:80]!r} here. Use: {known}.", "unknown-filter", unknown[0][:80]
            )
        if not reader.is_valid():
            name, errors = next(iter(reader.errors.items()))
            raise Refused(f"{name}: {errors[0]}", f"invalid-{str(name).replace('_', '-')}", str(name))
        values = reader.validated_data
        seen = at_rest(cast_of(row, timezone.now()))
        size = Size(quantity=values["quantity"], unit_margin=values.get("unit_margin"), ticker="units")
        answer = shares_of(seen, size)
        if isinstance(answer, Rejection):
            raise Conflict(answer.reason, answer.code)
        shown = {"method": str(seen.method), "quantity": size.quantity, "shares": answer}
        return Response(PreviewSerializer(shown).data)
