"""Orders and their executions as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.fields import Moment, Shown, code
from brokers.api.ages import LastWord
from brokers.api.previews import AskedFirstSerializer, asked_first_of
from brokers.api.pricing import SimulatedPrice
from brokers.book import ages
from brokers.domain.orders import Role
from brokers.domain.session.ages import Word
from brokers.models import Execution, Order, OrderPrompt

_LEGS = frozenset({str(Role.STOP_LOSS), str(Role.TAKE_PROFIT)})
# The fills of a combo are those of its legs: each says in what it is, and which way.
FILL = (
    "id",
    "broker_execution_id",
    "conid",
    "ticker",
    "side",
    "quantity",
    "price",
    "simulated_price",
    "fee",
    "currency",
    "executed_at",
)
EXECUTION = (*FILL, "order", "account", "exchange")
ORDER = (
    "id",
    "reference",
    "account",
    "parent",
    "entry",
    "rung",
    "group",
    "second_of",
    "status",
    "role",
    "release",
    "ticker",
    "asset_class",
    "side",
    "type",
    "time_in_force",
    "good_till",
    "quantity",
    "limit_price",
    "stop_price",
    "distance",
    "distance_in",
    "outside_rth",
    "filled_quantity",
    "average_price",
    "simulated_price",
    "currency",
    "signal_price",
    "estimated_fee",
    "broker_order_id",
    "reason",
    "reason_code",
    "held_reason",
    "created_at",
    "submitted_at",
    "acknowledged_at",
    "filled_at",
    "changed_at",
    "expires_at",
    "as_of",
    "as_of_from",
    "silent_since",
    "asks_first",
    "asked_first",
    "prompts_left",
    "executions",
)


class FillSerializer(SimulatedPrice, Shown):
    """An execution inside its order."""

    id = code()

    class Meta:
        model = Execution
        fields: tuple[str, ...] = FILL


class ExecutionSerializer(FillSerializer):
    """An execution on its own. `order` is null for a fill of an order that is not ours."""

    order = code("order.code", allow_null=True, default=None)
    account = code("account.code")

    class Meta(FillSerializer.Meta):
        fields = EXECUTION


class PromptSerializer(serializers.Serializer[Any]):
    """What IBKR asks about an order, and which answers it takes, where nobody but a person can answer: in TWS."""

    message_id = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    options = serializers.ListField(child=serializers.CharField())
    seen_at = Moment()


class OrderSerializer(LastWord, SimulatedPrice, Shown):
    """An order with its executions. Load its rows by `whole_orders`."""

    id = code()
    account = code("account.code")
    # Declared fields leave the class again, so that this hides nothing.
    parent = code("parent.code", allow_null=True, default=None)  # type: ignore[assignment]
    entry = serializers.SerializerMethodField(
        help_text="Of a stop or a target, the order that opened what it protects: its parent, or the entry of an advisor's group, "
        "whose `account` is the advisor's own."
    )
    rung = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="Which of several targets of a group's entry it is in its account, the nearest being 1.",
    )
    group = serializers.CharField(
        source="fa_group", read_only=True, help_text="The advisor's group that IBKR divides it among; empty elsewhere."
    )
    second_of = code(
        "second_of.code",
        allow_null=True,
        default=None,
        help_text="The order whose change left this one at IBKR as well, beside it.",
    )
    asked_first = serializers.SerializerMethodField(help_text="IBKR's previews that it waited for before it left.")
    prompts_left = serializers.SerializerMethodField(
        help_text="What IBKR asks about it and Halyard did not answer: answer it in TWS."
    )
    executions = FillSerializer(many=True, read_only=True)

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_entry(self, row: Order) -> UUID | None:
        if row.group_entry is not None:
            return row.group_entry.code
        is_leg = row.role in _LEGS and row.parent is not None and row.parent.role == Role.ENTRY
        return row.parent.code if is_leg and row.parent is not None else None

    def word_of(self, row: Order, now: datetime) -> Word:
        return ages.of_order(row, now)

    @extend_schema_field(AskedFirstSerializer(many=True))
    def get_asked_first(self, row: Order) -> Any:
        return asked_first_of(row)

    @extend_schema_field(PromptSerializer(many=True))
    def get_prompts_left(self, row: Order) -> Any:
        # Chosen here, since `whole_orders` has read them all.
        left = [each for each in row.prompts.all() if each.verdict == OrderPrompt.Verdict.LEFT]
        return PromptSerializer(left, many=True).data

    def get_simulated_price(self, row: Order) -> bool:
        return row.average_price is not None and super().get_simulated_price(row)

    class Meta:
        model = Order
        fields = ORDER
