"""Changes of working orders in place, over REST: asked for, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Shown, code
from accounts.api.refusals import Conflict
from accounts.api.views import TeamRows
from accounts.models import Role, Scope
from brokers.domain.orders import MODIFIABLE, Lifetime, TimeInForce
from brokers.models import OrderModification
from brokers.orders.modifications import asking, protecting
from brokers.orders.modifications.checks import NotChangeable
from brokers.orders.modifications.words import of_a_combo

MOST = 50


def _price() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=24, decimal_places=8, required=False)


class ChangeSerializer(serializers.Serializer[Any]):
    """The new values of an order; what is left out stays as it is. `quantity` counts what has filled too. `good_till` is the
    moment at which Halyard cancels it; `time_in_force` `gtc` without one takes its end away."""

    stop_price = _price()
    limit_price = _price()
    trail_amount = _price()
    trail_percent = _price()
    quantity = _price()
    good_till = serializers.DateTimeField(required=False)
    time_in_force = serializers.ChoiceField(choices=[str(TimeInForce.GTD), str(TimeInForce.GTC)], required=False)


class ModificationSerializer(Shown):
    """One change of an order. `status`: `waiting`, `leaving`, `made`, `refused` (by IBKR), `not_made`; what is null was not to
    be changed. The order shows the new values once it is `made`. `from_fill`: nobody asked for it, the leg's entry has filled; `by_rule`: nor for this, a target of its entry has. With
    `time_in_force` it gave the order another end, here and at once: `good_till`, and `good_till_before`, null where it worked till canceled."""

    id = code()

    class Meta:
        model = OrderModification
        fields = (
            "id",
            "status",
            "from_fill",
            "by_rule",
            *MODIFIABLE,
            "time_in_force",
            "good_till",
            "good_till_before",
            "reason",
            "reason_code",
            "asked_at",
            "expires_at",
            "ended_at",
        )


class ModificationsSerializer(serializers.Serializer[Any]):
    """The last fifty changes of an order, the newest first."""

    results = ModificationSerializer(many=True)


class Modifiable(TeamRows):
    """Orders, as far as they are changed."""

    @extend_schema(request=ChangeSerializer, responses={202: ModificationSerializer})
    @action(detail=True, methods=["post"])
    def modify(self, request: Request, code: str) -> Response:
        """Ask IBKR to change a working order in place: its stop, its limit, its trail, or its size; or give it another end, which
        Halyard keeps itself. Of both, the answer is the change that IBKR is asked for."""
        self.allow(Scope.TRADE, Role.TRADER)
        order = self.get_object()
        values = self.body(ChangeSerializer)
        lifetime = _lifetime(values.pop("time_in_force", None), values.pop("good_till", None))
        above_zero = {name: value for name, value in values.items() if value is not None}
        if any(value <= 0 for value in above_zero.values()):
            sentence = "Prices, trails and sizes are above zero. Send what the order is to have."
            raise Conflict(f"{sentence}{of_a_combo(order)}", "not-above-zero")
        try:
            row = asking.change(order=order, values=above_zero, lifetime=lifetime, actor=self.actor, now=timezone.now())
        except NotChangeable as refused:
            raise Conflict(str(refused), refused.code) from refused
        return Response(ModificationSerializer(row).data, status=202)

    @extend_schema(responses=ModificationsSerializer)
    @action(detail=True, methods=["get"])
    def modifications(self, request: Request, code: str) -> Response:
        """What became of the changes of an order that were asked for."""
        rows = self.get_object().modifications.order_by("-pk")[:MOST]
        return Response({"results": ModificationSerializer(rows, many=True).data})


def _lifetime(time_in_force: str | None, good_till: datetime | None) -> Lifetime | None:
    """The end that is asked for; None where none is. Raises Conflict where the two do not go together."""
    if time_in_force == TimeInForce.GTC and good_till is not None:
        raise Conflict("gtc has no good_till. Send one of them.", "invalid-good-till-date")
    if time_in_force == TimeInForce.GTD and good_till is None:
        raise Conflict("gtd needs good_till: the moment until which the order works. Add it.", "invalid-good-till-date")
    return None if time_in_force is None and good_till is None else Lifetime(good_till)


class ProtectSerializer(serializers.Serializer[Any]):
    """The stop, the target, or both, that a position is to have; `conid` names the position."""

    conid = serializers.IntegerField(min_value=1)
    stop_price = _price()
    limit_price = _price()


class ProtectedSerializer(serializers.Serializer[Any]):
    """The orders that are placed, by their ids."""

    orders = serializers.ListField(child=serializers.UUIDField())


class Protectable(TeamRows):
    """Accounts, as far as their positions are protected."""

    @extend_schema(request=ProtectSerializer, responses={202: ProtectedSerializer})
    @action(detail=True, methods=["post"])
    def protect(self, request: Request, code: str) -> Response:
        """Place the stop and the target that a position lacks; whichever fills first cancels the other."""
        self.allow(Scope.TRADE, Role.TRADER)
        account = self.get_object()
        values = self.body(ProtectSerializer)
        conid: int = values.pop("conid")
        if any(value is None or value <= 0 for value in values.values()):
            raise Conflict("A stop and a target are above zero. Send their prices.", "not-above-zero")
        try:
            ticket = protecting.protect(
                account=account, conid=conid, values=values, actor=self.actor, now=timezone.now()
            )
        except NotChangeable as refused:
            raise Conflict(str(refused), refused.code) from refused
        orders = ticket.orders.order_by("pk").values_list("code", flat=True)
        return Response({"orders": [str(each) for each in orders]}, status=202)
