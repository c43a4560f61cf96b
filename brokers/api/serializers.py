"""What is true at the broker, as JSON. Ids are public codes; `account_id` is the broker's own number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.fields import Amount, Moment, Shown, code
from brokers.api.ages import LastWord
from brokers.api.day import DayFigures
from brokers.api.pricing import SimulatedPrice
from brokers.book import ages
from brokers.domain.dayresult import DayResult
from brokers.domain.market.quotes import Availability, Quote
from brokers.domain.session.ages import Word
from brokers.models import (
    BrokerageAccount,
    BrokerMessage,
    Call,
    Connection,
    ForeignOrder,
    Lapse,
    Position,
    Suppression,
    UnclaimedOrder,
)
from brokers.orders.unasked import suppressions

CONNECTION = (
    "id",
    "name",
    "username",
    "environment",
    "auth_method",
    "base_url",
    "certificate_sha256",
    "region",
    "enabled",
    "removed_at",
    "can_trade",
    "prices",
    "ownership",
    "polite_minutes",
    "suppresses_questions",
    "suppression",
    "session_status",
    "session_reason",
    "session_action",
    "session_code",
    "session_changed_at",
    "turned_at",
    "next_try_at",
    "left_until",
    "last_kept_at",
    "trial",
    "trial_asked_at",
    "created_at",
)
ACCOUNT = (
    "id",
    "connection",
    "account_id",
    "title",
    "kind",
    "margin",
    "currency",
    "is_paper",
    "equity",
    "cash",
    "settled_cash",
    "buying_power",
    "day_trades_left",
    "unrealized_pnl",
    "day_result",
    "day_realized",
    "day_unrealized",
    "day_fees",
    "day_result_unknown",
    "simulated_price",
    "book_as_of",
    "money_as_of",
    "money_from",
)
POSITION = (
    "account",
    "conid",
    "ticker",
    "asset_class",
    "quantity",
    "average_cost",
    "market_price",
    "unrealized_pnl",
    "simulated_price",
    "currency",
    "as_of",
    "as_of_from",
    "silent_since",
    "made_elsewhere",
    "protection",
    "quote",
)
FOREIGN_ORDER = (
    "id",
    "account",
    "broker_order_id",
    "reference",
    "ours",
    "conid",
    "ticker",
    "asset_class",
    "side",
    "type",
    "described",
    "time_in_force",
    "quantity",
    "remaining",
    "limit_price",
    "stop_price",
    "currency",
    "first_seen_at",
    "seen_at",
    "cancel_asked_at",
    "cancel_note",
    "money_counted",
)
UNCLAIMED_ORDER = (
    "id",
    "account",
    "broker_order_id",
    "reference",
    "ours",
    "second_of",
    "conid",
    "ticker",
    "asset_class",
    "side",
    "type",
    "described",
    "quantity",
    "filled",
    "currency",
    "filled_at",
    "first_seen_at",
    "asks",
    "choice",
    "decided_at",
    "order",
)
CALL = (
    "id",
    "connection",
    "order",
    "at",
    "method",
    "endpoint",
    "address",
    "outcome",
    "status",
    "took_ms",
    "own_ms",
    "size",
    "pace_left",
    "request",
    "answer",
    "missing",
)


class CertificateSerializer(serializers.Serializer[Any]):
    """The certificate that a gateway shows. `trouble` is empty where an authority vouches for it."""

    sha256 = serializers.CharField()
    subject = serializers.CharField()
    issuer = serializers.CharField()
    begins = serializers.CharField()
    ends = serializers.CharField()
    trouble = serializers.CharField()


class StepSerializer(serializers.Serializer[Any]):
    """One step of a trial: `outcome` is `good`, `look`, `bad` or `not_reached`."""

    name = serializers.CharField()
    outcome = serializers.CharField()
    answer = serializers.CharField()
    proves = serializers.CharField()
    code = serializers.CharField()


class TrialSerializer(serializers.Serializer[Any]):
    """What a trial of a connection or an address found, step by step."""

    at = serializers.CharField()
    steps = StepSerializer(many=True)
    certificate = CertificateSerializer(allow_null=True)


class SuppressionSerializer(Shown):
    """What IBKR was told last not to ask: `confirmed` is null until it has answered, and false where it took none of it."""

    class Meta:
        model = Suppression
        fields = ("message_ids", "asked_at", "confirmed", "answer")


class ConnectionSerializer(Shown):
    """`trial` is what the last test found; one is under way while `trial_asked_at` is set."""

    id = code()
    suppression = serializers.SerializerMethodField()
    certificate_sha256 = serializers.SerializerMethodField()
    trial = TrialSerializer(read_only=True, allow_null=True)

    def get_certificate_sha256(self, row: Connection) -> str:
        """The fingerprint of the certificate that was accepted for its gateway; empty where none was."""
        return str((row.certificate or {}).get("sha256", ""))

    @extend_schema_field(SuppressionSerializer(allow_null=True))
    def get_suppression(self, row: Connection) -> Any:
        """What IBKR was told last not to ask; null where it was told nothing yet."""
        last = suppressions.last_of(row)
        return SuppressionSerializer(last).data if last is not None else None

    class Meta:
        model = Connection
        fields = CONNECTION


class AccountSerializer(DayFigures, SimulatedPrice, Shown):
    """`unrealized_pnl` is IBKR's, since the positions were opened. Load its rows with their results of today."""

    id = code()
    connection = code("connection.code")
    money_as_of = serializers.DateTimeField(source="money_at", read_only=True, allow_null=True)
    money_from = serializers.CharField(
        read_only=True,
        help_text="`stream` where IBKR's live stream told it, `read` where it was asked for; else empty.",
    )

    def day_of(self, row: BrokerageAccount) -> DayResult:
        return row.day

    def environment_of(self, row: BrokerageAccount) -> str:
        return str(row.connection.environment)

    class Meta:
        model = BrokerageAccount
        fields = ACCOUNT


class ProtectionSerializer(Shown):
    """The stop that a position is to have and has not, and what was done about it."""

    class Meta:
        model = Lapse
        fields = ("fault", "choice", "verdict", "alarm", "happened", "did", "can_do", "began_at")


class QuoteSerializer(serializers.Serializer[Any]):
    """The last prices IBKR showed of a contract, null where it showed none, and what they are."""

    bid = Amount(max_digits=24, decimal_places=8, allow_null=True)
    ask = Amount(max_digits=24, decimal_places=8, allow_null=True)
    last = Amount(max_digits=24, decimal_places=8, allow_null=True)
    as_of = Moment()
    availability = serializers.ChoiceField(choices=[str(each) for each in Availability])
    tradable = serializers.SerializerMethodField(help_text="Whether decisions trade by it now: live, and fresh.")

    def get_tradable(self, quote: Quote) -> bool:
        return quote.live(timezone.now()) is not None


class PositionSerializer(LastWord, SimulatedPrice, Shown):
    account = code("account.code")
    made_elsewhere = Amount(
        source="elsewhere",
        max_digits=24,
        decimal_places=8,
        read_only=True,
        help_text="How much of it no order of Halyard's explains.",
    )
    protection = serializers.SerializerMethodField(help_text="null where no stop is missing.")
    quote = QuoteSerializer(
        read_only=True, allow_null=True, help_text="null where no decision has asked IBKR for a quote of it."
    )

    def word_of(self, row: Position, now: datetime) -> Word:
        return ages.of_position(row, now)

    @extend_schema_field(ProtectionSerializer(allow_null=True))
    def get_protection(self, row: Position) -> dict[str, Any] | None:
        lapses: list[Lapse] = row.account.open_lapses  # type: ignore[attr-defined]
        lapse = next((each for each in lapses if each.conid == row.conid), None)
        return None if lapse is None else dict(ProtectionSerializer(lapse).data)

    class Meta:
        model = Position
        fields = POSITION


class ForeignOrderSerializer(Shown):
    """A working order that was placed elsewhere. `ours`: it bears Halyard's reference, and is in no row."""

    id = code()
    account = code("account.code")
    ours = serializers.BooleanField(source="bears_our_reference", read_only=True)
    money_counted = serializers.BooleanField(
        read_only=True,
        help_text="Whether the money it will need is kept back. In the size of a position every one is counted.",
    )

    class Meta:
        model = ForeignOrder
        fields = FOREIGN_ORDER


class UnclaimedOrderSerializer(Shown):
    """An order that has filled and is in no row. `ours`: it bears Halyard's reference; else it looks like `second_of`.

    `asks`: nothing is opened in its contract until a person says whose it is, on its page; `choice` is what they said.
    """

    id = code()
    account = code("account.code")
    ours = serializers.BooleanField(source="bears_our_reference", read_only=True)
    second_of = code("second_of.code", allow_null=True, default=None)
    order = code("order.code", allow_null=True, default=None)
    asks = serializers.BooleanField(read_only=True)

    class Meta:
        model = UnclaimedOrder
        fields = UNCLAIMED_ORDER


class CallSerializer(Shown):
    """A request to the broker and its answer, both masked and cut. `order` is null for one that was made for no order."""

    id = code()
    connection = code("connection.code")
    order = code("order.code", allow_null=True, default=None)

    class Meta:
        model = Call
        fields = CALL


class MessageSerializer(Shown):
    """What IBKR told by the live stream: a notice to the user (`ntf`), or a bulletin to everybody (`blt`). `url` is one of
    IBKR's own pages, or empty; `times`: how often it came."""

    connection = code("connection.code")

    class Meta:
        model = BrokerMessage
        fields = ("connection", "topic", "title", "text", "url", "first_seen_at", "seen_at", "times")
