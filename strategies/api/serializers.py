"""Strategies, subscriptions, signals and decisions as JSON. A signal nests its decisions, their orders and executions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.fields import Amount, Moment, Shown, code
from brokers.api.orders import OrderSerializer
from strategies.api.timeline import TimelineSerializer, orders_of, timeline
from strategies.api.what_ifs import WhatIfSerializer, what_ifs_of
from strategies.display import approvers, comparison
from strategies.domain.plan.plan import Plan
from strategies.inputs import plan_json
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy, Subscription
from strategies.reading.fields import names
from strategies.webhook.headers import shown

STRATEGY = names(
    "id name description asset_class allowed_tickers enabled tradingview_only allowed_addresses signature_required "
    "entry_stale_seconds exit_stale_seconds repeat_window_seconds per_minute per_hour keep_days created_at"
)
SUBSCRIPTION = names("id strategy account group enabled linked terms terms_version created_at")
DECISION = names(
    "id signal subscription account status rule reason_code reason waiting_for created_at decided_at expires_at "
    "answered_at answered_by approvals plan assessment orders"
)
SIGNAL = names(
    "id log_id strategy received_at address content_type ticker action reading warnings test not_before dispatched_at "
    "set_aside note duplicates repeats forgotten_at decisions timeline"
)
REFUSAL = names("id strategy received_at address content_type status message_code sentence field")


class StrategySerializer(Shown):
    id = code()

    class Meta:
        model = Strategy
        fields = STRATEGY


class SubscriptionSerializer(Shown):
    """`group` is the advisor's group that it trades for, null where it trades for the account; `terms` are the present ones; each decision was taken under the version of its moment."""

    id = code()
    strategy = code("strategy.code")
    account = code("account.code")
    group = serializers.CharField(source="group.name", read_only=True, default=None, allow_null=True)
    terms = serializers.JSONField(source="terms.values", read_only=True, default=None)
    terms_version = serializers.IntegerField(source="terms.number", read_only=True, default=None)

    class Meta:
        model = Subscription
        fields = SUBSCRIPTION


class EstimateSerializer(serializers.Serializer[Any]):
    """What one order is expected to cost, by the rulebook; null where a fact is missing, and `notes` say which."""

    role = serializers.CharField()
    sentence = serializers.CharField()
    fee = serializers.CharField(allow_null=True)
    fee_currency = serializers.CharField()
    margin = serializers.CharField(allow_null=True)
    available = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    price_from = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())
    tables = serializers.CharField()


class ApprovalSerializer(serializers.Serializer[Any]):
    """One person's approval of the plan as it is; `quantity` is null for the whole plan."""

    by = serializers.CharField(source="name")
    at = Moment(source="approved_at")
    quantity = Amount(max_digits=24, decimal_places=8, allow_null=True)


class MissingSerializer(serializers.Serializer[Any]):
    """How many people still have to approve, in a sentence; `code` where the team has too few of them."""

    people = serializers.IntegerField()
    message = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_blank=True)


class DecisionSerializer(Shown):
    """A decision with the orders of its ticket, and what they were expected to cost when it was taken."""

    id = code()
    signal = code("signal.code")
    subscription = code("subscription.code")
    account = code("subscription.account.code")
    answered_by = serializers.CharField(source="answered_by.email", read_only=True, default=None)
    assessment = serializers.SerializerMethodField()
    approvals = serializers.SerializerMethodField()
    orders = serializers.SerializerMethodField()

    class Meta:
        model = Decision
        fields: tuple[str, ...] = DECISION

    @extend_schema_field(EstimateSerializer(many=True))
    def get_assessment(self, decision: Decision) -> Any:
        return (decision.inputs or {}).get("assessment", [])

    @extend_schema_field(ApprovalSerializer(many=True))
    def get_approvals(self, decision: Decision) -> Any:
        rows = sorted(decision.approvals.all(), key=lambda approval: approval.pk)
        return ApprovalSerializer([each for each in rows if each.voided_at is None], many=True).data

    @extend_schema_field(OrderSerializer(many=True))
    def get_orders(self, decision: Decision) -> Any:
        return OrderSerializer(orders_of(decision), many=True, context=self.context).data


class DifferenceSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    then = serializers.CharField()
    now = serializers.CharField()


class AgainSerializer(serializers.Serializer[Any]):
    """Today's answer to the stored inputs. `same` is null when these cannot be decided with; `unreadable` says why."""

    same = serializers.BooleanField(allow_null=True)
    unreadable = serializers.CharField(allow_blank=True)
    rule = serializers.CharField(allow_null=True)
    reason_code = serializers.CharField(allow_null=True, allow_blank=True)
    reason = serializers.CharField(allow_null=True)
    plan = serializers.JSONField(allow_null=True)
    differences = DifferenceSerializer(many=True)


class WholeDecisionSerializer(DecisionSerializer):
    """A decision at its own address, with everything it saw, IBKR's previews of it, and decided again from that."""

    again = serializers.SerializerMethodField()
    what_ifs = serializers.SerializerMethodField()
    missing_approvals = serializers.SerializerMethodField()

    class Meta(DecisionSerializer.Meta):
        fields = (*DECISION, "missing_approvals", "what_ifs", "inputs", "again")

    @extend_schema_field(WhatIfSerializer(many=True))
    def get_what_ifs(self, decision: Decision) -> Any:
        return what_ifs_of(decision)

    @extend_schema_field(MissingSerializer(allow_null=True))
    def get_missing_approvals(self, decision: Decision) -> Any:
        if decision.status != Decision.Status.PROPOSED:
            return None
        panel = approvers.panels([decision])[decision.pk]
        shortage = panel.shortage()
        return {
            "people": panel.missing,
            "message": panel.what_is_missing(),
            "code": shortage.code if shortage else "",
        }

    @extend_schema_field(AgainSerializer)
    def get_again(self, decision: Decision) -> dict[str, Any]:
        again = comparison.decide_again(decision, orders_of(decision))
        answer = again.answer
        plan = plan_json(answer) if isinstance(answer, Plan) else None
        return {
            "same": None if answer is None else again.same,
            "unreadable": again.unreadable,
            "rule": None if answer is None else answer.rule,
            "reason_code": None if answer is None else getattr(answer, "code", ""),
            "reason": None if answer is None else answer.reason,
            "plan": plan,
            "differences": [{"what": row.what, "then": row.then, "now": row.now} for row in again.differences],
        }


class ApproveSerializer(serializers.Serializer[Any]):
    """`quantity`: less of the entry, with its protection as small; without it all is approved."""

    quantity = serializers.DecimalField(max_digits=24, decimal_places=8, required=False)


class DeclineSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class RepeatSerializer(Shown):
    """A delivery of a signal that was there already."""

    log_id = code("log_code")

    class Meta:
        model = Repeat
        fields = ("log_id", "received_at", "address")


class SignalSerializer(Shown):
    """A signal in a list: everything but its body and headers. `set_aside` is a code, and `note` its sentence."""

    id = code()
    log_id = code("log_code")
    strategy = code("strategy.code")
    test = serializers.BooleanField(source="is_test", read_only=True)
    repeats = RepeatSerializer(many=True, read_only=True)
    decisions = DecisionSerializer(many=True, read_only=True)
    timeline = serializers.SerializerMethodField()

    class Meta:
        model = Signal
        fields: tuple[str, ...] = SIGNAL

    @extend_schema_field(TimelineSerializer)
    def get_timeline(self, signal: Signal) -> dict[str, Any]:
        return timeline(signal)


class WholeSignalSerializer(SignalSerializer):
    """A signal at its own address, with the body as it was sent and the headers, secrets masked."""

    headers = serializers.SerializerMethodField()

    class Meta(SignalSerializer.Meta):
        fields = (*SIGNAL, "headers", "body")

    def get_headers(self, signal: Signal) -> dict[str, str]:
        return shown(signal.headers)


class RefusalSerializer(Shown):
    """A delivery that did not become a signal: what its sender was answered. `id` is the `logId` of that answer."""

    id = code("log_code")
    strategy = code("endpoint.strategy.code")

    class Meta:
        model = Refusal
        fields: tuple[str, ...] = REFUSAL


class WholeRefusalSerializer(RefusalSerializer):
    """A refused delivery at its own address, with the body as far as it was kept and the headers, secrets masked."""

    headers = serializers.SerializerMethodField()

    class Meta(RefusalSerializer.Meta):
        fields = (*REFUSAL, "headers", "body")

    def get_headers(self, refusal: Refusal) -> dict[str, str]:
        return shown(refusal.headers)
