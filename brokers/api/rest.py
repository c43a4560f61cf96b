"""The brokers' part of the REST API beside connections: accounts, positions, orders, executions."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from rest_framework.viewsets import GenericViewSet

from accounts.api.filters import equals, one_of, public_id, since, ticker
from accounts.api.views import Listed, ListedAndShown
from brokers.api.choices import ContractChoices
from brokers.api.groups import GroupChanges
from brokers.api.modifications import Modifiable, Protectable
from brokers.api.notices import Notices
from brokers.api.orders import ExecutionSerializer, OrderSerializer
from brokers.api.questions import Questions
from brokers.api.serializers import (
    AccountSerializer,
    CallSerializer,
    ForeignOrderSerializer,
    MessageSerializer,
    PositionSerializer,
    UnclaimedOrderSerializer,
)
from brokers.api.splits import Splits
from brokers.book import day_ledger, elsewhere, quotes
from brokers.domain.calls import CallOutcome
from brokers.domain.orders import OrderStatus, Side
from brokers.domain.questions import Topic
from brokers.live import with_shares_of_others
from brokers.models import (
    BrokerageAccount,
    BrokerMessage,
    Call,
    Execution,
    ForeignOrder,
    Lapse,
    Order,
    OrderPrompt,
    Position,
    UnclaimedOrder,
)
from brokers.models.unclaimed import with_asking
from brokers.whatif import before_entries


def whole_orders() -> QuerySet[Order]:
    """Orders with everything their JSON shows, in the order they were made."""
    fills = Execution.objects.select_related("account__connection").order_by("executed_at", "id")
    executions = Prefetch("executions", fills)
    orders: QuerySet[Order] = Order.objects.select_related("account__connection", "parent", "second_of", "group_entry")
    prompts = Prefetch("prompts", OrderPrompt.objects.order_by("id"))
    return before_entries.with_previews(orders).prefetch_related(executions, prompts).order_by("id")


class Accounts(Protectable, ListedAndShown):
    """Brokerage accounts with our copy of their money, as of `book_as_of`, and their result of today."""

    queryset = BrokerageAccount.objects.select_related("connection")
    serializer_class = AccountSerializer
    filters = {"connection": public_id("connection__code"), "account_id": equals("account_id")}

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        day_ledger.with_results(page or [], timezone.now())
        return page

    def get_object(self) -> BrokerageAccount:
        account: BrokerageAccount = super().get_object()
        day_ledger.with_results([account], timezone.now())
        return account


class Positions(Listed):
    """Holdings now, as the broker reported them."""

    queryset = Position.objects.select_related("account__connection").prefetch_related(
        Prefetch("account__lapses", Lapse.objects.filter(ended_at=None), to_attr="open_lapses")
    )
    serializer_class = PositionSerializer

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        return quotes.with_quotes(with_shares_of_others(super().paginate_queryset(queryset) or []))

    filters = {"ticker": ticker("ticker"), "account": public_id("account__code"), "since": since("as_of")}


class ForeignOrders(ListedAndShown):
    """Working orders of the accounts that were placed elsewhere, by TWS or another program."""

    queryset = elsewhere.not_ours(ForeignOrder.objects.select_related("account"))
    serializer_class = ForeignOrderSerializer
    filters = {
        "ticker": ticker("ticker"),
        "side": one_of("side", Side),
        "account": public_id("account__code"),
        "since": since("first_seen_at"),
    }

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        return elsewhere.with_counted(super().paginate_queryset(queryset) or [], timezone.now())

    def get_object(self) -> ForeignOrder:
        [order] = elsewhere.with_counted([super().get_object()], timezone.now())
        return order


class UnclaimedOrders(ListedAndShown):
    """Orders that have filled and are in no row, with what a person said of each."""

    queryset = with_asking(UnclaimedOrder.objects.select_related("account", "second_of", "order"))
    serializer_class = UnclaimedOrderSerializer
    filters = {
        "ticker": ticker("ticker"),
        "side": one_of("side", Side),
        "account": public_id("account__code"),
        "since": since("first_seen_at"),
    }


class Orders(Modifiable, ListedAndShown):
    """Orders with their executions."""

    queryset = whole_orders()
    serializer_class = OrderSerializer
    filters = {
        "status": one_of("status", OrderStatus),
        "ticker": ticker("ticker"),
        "side": one_of("side", Side),
        "account": public_id("account__code"),
        "entry": public_id("group_entry__code"),
        "since": since("created_at", rising="created_at"),
    }


class Executions(ListedAndShown):
    """Fills, those of orders made elsewhere included."""

    queryset = Execution.objects.select_related("order", "account__connection")
    serializer_class = ExecutionSerializer
    filters = {
        "ticker": ticker("ticker"),
        "side": one_of("side", Side),
        "account": public_id("account__code"),
        "order": public_id("order__code"),
        # A fill may be seen long after it was made, and never before.
        "since": since("executed_at", rising="seen_at"),
    }


class Calls(ListedAndShown):
    """Requests to the broker, the newest first: what was sent and answered, masked, and how long it took."""

    queryset = Call.objects.select_related("connection", "order")
    serializer_class = CallSerializer
    filters = {
        "connection": public_id("connection__code"),
        "order": public_id("order__code"),
        "outcome": one_of("outcome", CallOutcome),
        "since": since("at"),
    }


class Messages(Listed):
    """What IBKR told a connection's user and wants no answer to, the newest of each connection."""

    queryset = BrokerMessage.objects.select_related("connection")
    serializer_class = MessageSerializer
    filters = {"connection": public_id("connection__code"), "topic": one_of("topic", Topic), "since": since("seen_at")}


VIEWSETS: dict[str, type[GenericViewSet[Any]]] = {
    "accounts": Accounts,
    "positions": Positions,
    "orders": Orders,
    "foreign-orders": ForeignOrders,
    "unclaimed-orders": UnclaimedOrders,
    "executions": Executions,
    "calls": Calls,
    "messages": Messages,
    "contract-choices": ContractChoices,
    "group-changes": GroupChanges,
    "questions": Questions,
    "splits": Splits,
    "notices": Notices,
}
