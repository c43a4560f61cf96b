"""The strategies' part of the REST API: strategies, subscriptions, signals, refusals, decisions."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from rest_framework.viewsets import GenericViewSet

from accounts.api import ListedAndShown, equals, one_of, public_id, since, ticker
from brokers.api import whole_orders
from strategies.domain.message import Action
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy, Subscription
from strategies.serializers import (
    DecisionSerializer,
    RefusalSerializer,
    SignalSerializer,
    StrategySerializer,
    SubscriptionSerializer,
    WholeRefusalSerializer,
    WholeSignalSerializer,
)

ORDERS = Prefetch("ticket__orders", whole_orders())
DECISIONS = Decision.objects.select_related("signal", "ticket", "subscription__account").prefetch_related(ORDERS)


class Strategies(ListedAndShown):
    """Named sources of signals. Their webhook addresses are secrets and not shown here."""

    queryset = Strategy.objects.all()
    serializer_class = StrategySerializer
    filters = {"since": since("created_at")}


class Subscriptions(ListedAndShown):
    """Which account follows which strategy, and on what terms."""

    queryset = Subscription.objects.select_related("strategy", "account", "terms")
    serializer_class = SubscriptionSerializer
    filters = {
        "strategy": public_id("strategy__code"),
        "account": public_id("account__code"),
        "since": since("created_at"),
    }


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
        "since": since("received_at"),
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
        "since": since("received_at"),
    }

    def get_serializer_class(self) -> type[RefusalSerializer]:
        return WholeRefusalSerializer if self.action == "retrieve" else RefusalSerializer


class Decisions(ListedAndShown):
    """What each subscription made of each signal, and the orders it led to."""

    queryset = DECISIONS
    serializer_class = DecisionSerializer
    filters = {
        "status": one_of("status", Decision.Status.values),
        "strategy": public_id("signal__strategy__code"),
        "ticker": ticker("signal__ticker"),
        "signal": public_id("signal__code"),
        "subscription": public_id("subscription__code"),
        "since": since("created_at"),
    }


VIEWSETS: dict[str, type[GenericViewSet[Any]]] = {
    "strategies": Strategies,
    "subscriptions": Subscriptions,
    "signals": Signals,
    "refusals": Refusals,
    "decisions": Decisions,
}
