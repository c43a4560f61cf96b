"""Trades and profit in the REST API: each round trip with its fills, and sums by day, account, strategy and more."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import downloads
from accounts.api.fields import Amount, Moment, Shown, code
from accounts.api.filters import one_of, public_id, since, ticker, until
from accounts.api.refusals import Refused
from accounts.api.views import ListedAndShown, TeamRows
from strategies.models import Owner, Trade, TradePart
from strategies.profit import export, reading
from strategies.profit.reading import GROUPS, Scope
from strategies.reading.fields import names

TRADE = names(
    "id account owner subscription strategy signal conid ticker asset_class side status currency account_currency "
    "multiplier opened_at closed_at held_seconds entered exited left average entry_price exit_price most realized fees "
    "fees_missing realized_in_account fees_in_account profit rate rate_as_of signal_price slippage slippage_points "
    "latency_ms fills"
)
PARTS = Prefetch("parts", TradePart.objects.select_related("execution__order").order_by("execution__executed_at", "pk"))


def _money(**kwargs: Any) -> Amount:
    return Amount(max_digits=24, decimal_places=8, read_only=True, **kwargs)


class Rounded(Amount):
    """What a division gave: eight decimals of it."""

    def to_representation(self, value: Any) -> str:
        return super().to_representation(round(Decimal(value), 8))


def _figure(**kwargs: Any) -> Rounded:
    return Rounded(max_digits=24, decimal_places=8, read_only=True, **kwargs)


class TradeSerializer(Shown):
    """A round trip. `profit` is after fees, in the account's currency, of what was closed so far; null where it is not known.

    Amounts are in `currency`, those `in_account` and `profit` in `account_currency`.
    """

    id = code()
    account = code("account.code")
    subscription = code("subscription.code", allow_null=True, default=None)
    strategy = code("strategy.code", allow_null=True, default=None)
    signal = code("signal.code", allow_null=True, default=None)
    account_currency = serializers.CharField(source="home_currency", read_only=True)
    held_seconds = serializers.SerializerMethodField(help_text="Null while it is open.")
    realized_in_account = _money(source="realized_home")
    fees_in_account = _money(source="fees_home")
    profit = _money(source="profit_home")

    def get_held_seconds(self, row: Trade) -> int | None:
        return None if row.closed_at is None else int((row.closed_at - row.opened_at).total_seconds())

    class Meta:
        model = Trade
        fields: tuple[str, ...] = TRADE


class PartSerializer(serializers.Serializer[Any]):
    """What one fill did to the trade."""

    execution = code("execution.code")
    order = code("execution.order.code", allow_null=True, default=None)
    side = serializers.CharField(source="execution.side", read_only=True)
    is_entry = serializers.BooleanField(read_only=True)
    units = _money()
    price = _money(source="execution.price")
    fee = _money()
    realized = _money()
    executed_at = Moment(source="execution.executed_at", read_only=True)


class WholeTradeSerializer(TradeSerializer):
    """A trade with its fills."""

    parts = PartSerializer(many=True, read_only=True)

    class Meta(TradeSerializer.Meta):
        fields = (*TRADE, "parts")


class Trades(ListedAndShown):
    """Round trips, made anew of executions whenever these change: the last a few seconds after its fill."""

    queryset = Trade.objects.select_related("account", "subscription", "strategy", "signal")
    serializer_class = WholeTradeSerializer
    filtered = frozenset({"list", "export"})
    filters = {
        "account": public_id("account__code"),
        "strategy": public_id("strategy__code"),
        "subscription": public_id("subscription__code"),
        "owner": one_of("owner", Owner.values),
        "status": one_of("status", Trade.Status.values),
        "ticker": ticker("ticker"),
        "since": since("opened_at"),
        "until": until("opened_at"),
    }

    def get_queryset(self) -> QuerySet[Trade]:
        rows: QuerySet[Trade] = super().get_queryset()
        return rows.prefetch_related(PARTS) if self.action == "retrieve" else rows

    def get_serializer_class(self) -> type[TradeSerializer]:
        return WholeTradeSerializer if self.action == "retrieve" else TradeSerializer

    @extend_schema(
        parameters=[OpenApiParameter(name, str) for name in filters], responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    @action(detail=False, url_path="export")
    def export(self, request: Request) -> HttpResponseBase:
        """All trades of these filters as a CSV file, newest first, sent while it is read."""
        rows = self.filter_queryset(self.get_queryset())
        return downloads.download("trades", "csv", export.as_csv(rows))


class DaySerializer(serializers.Serializer[Any]):
    """What a trading day brought, and the curve up to it. `drawdown` is zero or below."""

    day = serializers.DateField()
    net = _money()
    total = _money()
    drawdown = _money()


class TotalsSerializer(serializers.Serializer[Any]):
    """Figures over trades that are over, after fees. Null where there is nothing to divide by."""

    count = serializers.IntegerField()
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    win_rate = _figure()
    profit_factor = _figure()
    average_win = _figure()
    average_loss = _figure()
    average_held_seconds = serializers.SerializerMethodField()

    def get_average_held_seconds(self, row: Any) -> int | None:
        return None if row.average_held is None else int(row.average_held.total_seconds())


class BroughtSerializer(serializers.Serializer[Any]):
    """What exits brought and fills cost; `net` is after fees."""

    realized = _money()
    fees = _money()
    net = _money()


class UnrealizedSerializer(serializers.Serializer[Any]):
    """What open trades would make at the last prices; `unpriced` of `count` have none, and count for nothing."""

    profit = _figure()
    count = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    as_of = Moment(allow_null=True)


class ReportSerializer(serializers.Serializer[Any]):
    """One currency of accounts. `exposure` is the share of the time in which something was held, from 0 to 1."""

    currency = serializers.CharField()
    result = BroughtSerializer(source="sum")
    unrealized = UnrealizedSerializer()
    trades = TotalsSerializer(source="totals")
    largest_drawdown = _money(source="drawdown")
    slippage = _money()
    exposure = _figure()
    days = DaySerializer(source="points", many=True)


class ApartSerializer(serializers.Serializer[Any]):
    """What has no rate into its account's currency, or no known value of a point: in no sum above."""

    currency = serializers.CharField()
    account_currency = serializers.CharField(source="home")
    realized = _money()
    fees = _money()
    fills = serializers.IntegerField()


class GroupSerializer(serializers.Serializer[Any]):
    """One account, strategy, subscription (by its id), ticker or owner, in one currency."""

    id = serializers.CharField(source="key", allow_null=True)
    name = serializers.CharField()
    currency = serializers.CharField()
    result = BroughtSerializer(source="sum")
    trades = TotalsSerializer(source="totals")


class PnlSerializer(serializers.Serializer[Any]):
    """Profit and loss of the days that were asked for. `unseen`: exits of which nobody knows what they made."""

    reports = ReportSerializer(many=True)
    apart = ApartSerializer(many=True)
    unseen = serializers.IntegerField()
    groups = GroupSerializer(many=True)


_PARTS = ("account", "strategy", "subscription")


class Pnl(TeamRows):
    """Profit and loss from executions: the team's, or that of a part of it."""

    queryset = Trade.objects.none()
    serializer_class = PnlSerializer
    pagination_class = None
    known: ClassVar[tuple[str, ...]] = (*_PARTS, "owner", "ticker", "first", "last", "by")

    @extend_schema(
        parameters=[OpenApiParameter(name, str) for name in known],
        responses=PnlSerializer,
    )
    def list(self, request: Request) -> Response:
        # A docstring would stand in the schema as the description of every list.
        for name in request.GET:
            if name not in self.known:
                sentence = f"There is no filter {name[:80]!r} here. Use: {', '.join(self.known)}."
                raise Refused(sentence, "unknown-filter", name[:80])
        by = request.GET.get("by", "")
        if by and by not in GROUPS:
            raise Refused(f"by is {by[:80]!r}. Use one of: {', '.join(GROUPS)}.", "invalid-by", "by")
        scope = self._scope(request)
        found = reading.answer(scope, timezone.now())
        groups = reading.groups(scope, by) if by else []
        body = {"reports": found.reports, "apart": found.apart, "unseen": found.unseen, "groups": groups}
        return Response(PnlSerializer(body).data)

    def _scope(self, request: Request) -> Scope:
        owner = request.GET.get("owner", "")
        if owner and owner not in Owner.values:
            raise Refused(f"owner is {owner[:80]!r}. Use one of: {', '.join(Owner.values)}.", "invalid-owner", "owner")
        keys = {name: self._key(name, request.GET[name]) for name in _PARTS if request.GET.get(name)}
        first, last = (_day(name, request.GET.get(name, "")) for name in ("first", "last"))
        if first is not None and last is not None and last < first:
            raise Refused("last is before first. Send the earlier day as first.", "invalid-last", "last")
        named = request.GET.get("ticker", "").strip().upper()
        if len(named) > 40 or "\x00" in named:
            raise Refused("ticker is longer than 40 characters, and none is. Send less.", "invalid-ticker", "ticker")
        return Scope(team=self.team.pk, owner=owner, ticker=named, first=first, last=last, **keys)

    def _key(self, name: str, text: str) -> int:
        """The key of the team's account, strategy or subscription with this id."""
        rows: dict[str, QuerySet[Any]] = {
            "account": self.team.accounts.all(),
            "strategy": self.team.strategies.all(),
            "subscription": self.team.subscriptions.all(),
        }
        found: int | None = rows[name].filter(public_id("code")(name, text)).values_list("pk", flat=True).first()
        if found is None:
            raise Refused(f"This team has no {name} with that id. Take it from the list of them.", f"no-{name}", name)
        return found


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not 1970 < found.year < 2200:
        raise Refused(f"{name} is {text[:80]!r}. Use a day like 2026-11-20.", f"invalid-{name}", name)
    return found
