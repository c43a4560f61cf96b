"""Contracts chosen for symbols over REST: what waits for a choice, the choices made, and taking one back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Shown, code
from accounts.api.filters import ticker
from accounts.api.refusals import Conflict, Refused
from accounts.api.views import ListedAndShown
from accounts.models import Role, Scope
from brokers.book import choices
from brokers.book.choices import ChoiceRefused
from brokers.domain.live_money import CONFIRMATION
from brokers.domain.orders import AssetClass
from brokers.models import ContractChoice


class ContractChoiceSerializer(Shown):
    """Which contract the team means by a symbol; `simulated` for its simulated connections, else for all others."""

    id = code()

    class Meta:
        model = ContractChoice
        fields = (
            "id",
            "ticker",
            "asset_class",
            "simulated",
            "conid",
            "name",
            "exchange",
            "currency",
            "chosen_at",
        )


class CandidateSerializer(serializers.Serializer[Any]):
    conid = serializers.IntegerField()
    name = serializers.CharField()
    exchange = serializers.CharField()
    currency = serializers.CharField()


class WaitingSerializer(serializers.Serializer[Any]):
    """A symbol that several contracts share: nothing is opened by it until one of `candidates` is chosen."""

    ticker = serializers.CharField()
    asset_class = serializers.CharField()
    simulated = serializers.BooleanField()
    reason = serializers.CharField()
    asked_at = serializers.DateTimeField()
    candidates = CandidateSerializer(many=True)


class ChosenSerializer(serializers.Serializer[Any]):
    """One of the candidates of a symbol that waits."""

    ticker = serializers.CharField(max_length=40)
    conid = serializers.IntegerField(min_value=1)
    simulated = serializers.BooleanField(default=False)
    asset_class = serializers.ChoiceField([str(each) for each in AssetClass], default=str(AssetClass.STOCK))


class ContractChoices(ListedAndShown):
    """Symbols that several contracts share, and which of them the team means."""

    queryset = ContractChoice.objects.all()
    serializer_class = ContractChoiceSerializer
    filters = {"ticker": ticker("ticker")}

    @extend_schema(responses=WaitingSerializer(many=True))
    @action(detail=False, methods=["get"], pagination_class=None, filters={})
    def waiting(self, request: Request) -> Response:
        """The symbols that wait for a choice, with what they may mean."""
        return Response(WaitingSerializer(choices.waiting(self.team), many=True).data)

    @extend_schema(request=ChosenSerializer, responses={201: ContractChoiceSerializer})
    def create(self, request: Request) -> Response:
        """Say which contract a symbol means. Where real money trades by it, that takes a person."""
        self.allow(Scope.TRADE, Role.TRADER)
        values = self.body(ChosenSerializer)
        try:
            asked = choices.to_choose(
                self.team,
                simulated=values["simulated"],
                asset_class=values["asset_class"],
                ticker=values["ticker"].strip().upper(),
            )
            if asked.live:
                raise PermissionDenied(
                    "Real money trades by this symbol, so it takes a person who has just confirmed who they are, which no "
                    "token can. Choose in the browser, on the page Symbols.",
                    CONFIRMATION,
                )
            made = choices.choose(
                team=self.team, asked=asked, conid=values["conid"], actor=self.actor, now=timezone.now()
            )
        except ChoiceRefused as refused:
            if refused.code == "not-a-candidate":
                raise Refused(str(refused), refused.code, "conid") from refused
            raise Conflict(str(refused), refused.code) from refused
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, code: str) -> Response:
        """Take a choice back: nothing is opened by the symbol until another one is made."""
        self.allow(Scope.TRADE, Role.TRADER)
        choices.take_back(self.get_object(), actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
