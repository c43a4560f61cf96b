"""The strategies' part of the REST API: strategies, subscriptions, signals, refusals, decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.filters import equals, one_of, public_id, since, ticker
from accounts.api.refusals import Conflict
from accounts.api.views import ListedAndShown
from accounts.models import Role, Scope
from brokers.api.rest import whole_orders
from brokers.connections.consents import consent_of
from brokers.domain.live_money import LiveMoneyRefused
from brokers.whatif.asking import WhatIfRefused
from strategies.api.adoptions import Adoptions
from strategies.api.connections import Connections
from strategies.api.groups import Groups
from strategies.api.guards import Guards
from strategies.api.profit import Pnl, Trades
from strategies.api.serializers import (
    ApproveSerializer,
    DecisionSerializer,
    DeclineSerializer,
    RefusalSerializer,
    SignalSerializer,
    StrategySerializer,
    SubscriptionSerializer,
    WholeDecisionSerializer,
    WholeRefusalSerializer,
    WholeSignalSerializer,
)
from strategies.control import approval, what_if
from strategies.domain.message.message import Action
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy, Subscription
from strategies.setup import subscriptions

ORDERS = Prefetch("ticket__orders", whole_orders())
DECISIONS = Decision.objects.select_related(
    "team", "signal", "ticket", "terms", "answered_by", "subscription__account__connection"
).prefetch_related(ORDERS, "approvals")


class Strategies(ListedAndShown):
    """Named sources of signals. Their webhook addresses are secrets and not shown here."""

    queryset = Strategy.objects.all()
    serializer_class = StrategySerializer
    filters = {"since": since("created_at")}


class Subscriptions(ListedAndShown):
    """Which account follows which strategy, and on what terms."""

    queryset = Subscription.objects.select_related("strategy", "account", "group", "terms")
    serializer_class = SubscriptionSerializer
    filters = {
        "strategy": public_id("strategy__code"),
        "account": public_id("account__code"),
        "since": since("created_at"),
    }

    @extend_schema(request=None, responses=SubscriptionSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, code: str) -> Response:
        """From now on signals of the strategy become orders in the account. Real money is switched on by people only."""
        self.allow(Scope.TRADE, Role.TRADER)
        subscription = self.get_object()
        try:
            subscriptions.enable(
                subscription=subscription, actor=self.actor, consent=consent_of(self.actor), now=timezone.now()
            )
        except LiveMoneyRefused as refused:
            raise PermissionDenied(str(refused), refused.code) from refused
        except subscriptions.SubscriptionRefused as refused:
            raise Conflict(str(refused), "cannot-be-enabled") from refused
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=SubscriptionSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, code: str) -> Response:
        """Signals of the strategy no longer reach the account. Orders already made go on."""
        self.allow(Scope.TRADE, Role.TRADER)
        subscriptions.disable(subscription=self.get_object(), actor=self.actor, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)


class Signals(ListedAndShown):
    """Signals with what became of them. The webhook answers with the `id` to look up here."""

    queryset = Signal.objects.select_related("strategy").prefetch_related(
        Prefetch("decisions", DECISIONS.order_by("id")), Prefetch("repeats", Repeat.objects.order_by("id"))
    )
    filters = {
        "strategy": public_id("strategy__code"),
        "ticker": ticker("ticker"),
        "action": one_of("action", Action),
        "set_aside": equals("set_aside"),
        "since": since("received_at", rising="received_at"),
    }

    def get_serializer_class(self) -> type[SignalSerializer]:
        return WholeSignalSerializer if self.action == "retrieve" else SignalSerializer


class Refusals(ListedAndShown):
    """Deliveries that did not become signals, and why. The webhook answers with the `logId` to look up here."""

    queryset = Refusal.objects.select_related("endpoint__strategy")
    lookup_field = "log_code"
    filters = {
        "strategy": public_id("endpoint__strategy__code"),
        "message_code": equals("message_code"),
        "since": since("received_at", rising="received_at"),
    }

    def get_serializer_class(self) -> type[RefusalSerializer]:
        return WholeRefusalSerializer if self.action == "retrieve" else RefusalSerializer


@contextmanager
def _conflicts() -> Iterator[None]:
    """A refusal about a plan as a 409 with its code."""
    try:
        yield
    except (approval.ApprovalRefused, WhatIfRefused) as refused:
        raise Conflict(str(refused), refused.code) from refused


class Decisions(ListedAndShown):
    """What each subscription made of each signal, and the orders it led to."""

    queryset = DECISIONS
    serializer_class = WholeDecisionSerializer
    filters = {
        "status": one_of("status", Decision.Status.values),
        "strategy": public_id("signal__strategy__code"),
        "ticker": ticker("signal__ticker"),
        "signal": public_id("signal__code"),
        "subscription": public_id("subscription__code"),
        "since": since("created_at", rising="created_at"),
    }

    def get_serializer_class(self) -> type[DecisionSerializer]:
        return DecisionSerializer if self.action == "list" else WholeDecisionSerializer

    @extend_schema(request=ApproveSerializer, responses=WholeDecisionSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, code: str) -> Response:
        """Send what was proposed, or with `quantity` less of it, decided anew on the book of this moment."""
        self.allow(Scope.APPROVE, Role.APPROVER)
        decision, quantity = self.get_object(), self.body(ApproveSerializer).get("quantity")
        with _conflicts():
            approval.approve(decision, actor=self.actor, quantity=quantity, address=self.address, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=DeclineSerializer, responses=WholeDecisionSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, code: str) -> Response:
        """Send nothing of what was proposed."""
        self.allow(Scope.APPROVE, Role.APPROVER)
        decision, reason = self.get_object(), self.body(DeclineSerializer).get("reason", "")
        with _conflicts():
            approval.decline(decision, actor=self.actor, reason=reason, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses={202: WholeDecisionSerializer})
    @action(detail=True, methods=["post"], url_path="what-if")
    def what_if(self, request: Request, code: str) -> Response:
        """Ask IBKR what the plan would cost and change; nothing is sent. `what_ifs` has the answer when it comes."""
        self.allow(Scope.TRADE, Role.TRADER)
        decision = self.get_object()
        with _conflicts():
            what_if.ask(decision, actor=self.actor, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data, status=status.HTTP_202_ACCEPTED)


VIEWSETS: dict[str, type[GenericViewSet[Any]]] = {
    "adoptions": Adoptions,
    "connections": Connections,
    "groups": Groups,
    "guards": Guards,
    "strategies": Strategies,
    "subscriptions": Subscriptions,
    "signals": Signals,
    "refusals": Refusals,
    "decisions": Decisions,
    "trades": Trades,
    "pnl": Pnl,
}
