"""The REST API of guards: the state of each level, and the kill switch."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Moment
from accounts.api.refusals import Conflict, Refused
from accounts.api.views import TeamRows
from accounts.models import Role, Scope
from brokers.api.day import DayFigures
from brokers.api.pricing import SimulatedPrice
from brokers.domain.dayresult import DayResult
from strategies.control import flatten, halt, levels
from strategies.control.levels import LevelState
from strategies.control.limits import GuardRefused, Target, limits_json
from strategies.domain.clockwork import MOST_MINUTES, WEEK, Schedule
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Guard

PATH = "<str:level>/<uuid:code>"


class FiguresSerializer(DayFigures, SimulatedPrice):
    """The figures that the limits apply to; the results are those of the account, or of the team's accounts."""

    entries_today = serializers.IntegerField(source="made")
    last_entry_at = Moment(source="last", allow_null=True)
    currency = serializers.CharField()

    def day_of(self, row: LevelState) -> DayResult | None:
        return row.result

    def environment_of(self, row: LevelState) -> str:
        return row.environment


class GuardSerializer(serializers.Serializer[Any]):
    """One level: `id` is that of the account, the strategy, the subscription, or the team."""

    id = serializers.UUIDField(source="code")
    level = serializers.ChoiceField(choices=[str(each) for each in Level])
    name = serializers.CharField()
    halt = serializers.ChoiceField(choices=[str(each) for each in Halt], source="guard.halt")
    halt_reason = serializers.CharField(source="guard.halt_reason")
    halted_at = Moment(source="guard.halted_at", allow_null=True)
    halted_by = serializers.CharField(source="guard.halted_by.email", default=None, allow_null=True)
    lockout_until = Moment(source="guard.lockout_until", allow_null=True)
    lockout_reason = serializers.CharField(source="guard.lockout_reason")
    restricted = serializers.ListField(child=serializers.CharField(), source="guard.restricted")
    limits = serializers.SerializerMethodField()
    flatten = serializers.SerializerMethodField(
        help_text="When its positions are closed by the clock: `minutes_before_close` of US shares, or `at` in a `zone`, on `days` "
        "(Monday is 0). Null where they are not."
    )
    figures = FiguresSerializer(source="*")

    def get_limits(self, row: LevelState) -> dict[str, Any]:
        return limits_json(row.guard)

    def get_flatten(self, row: LevelState) -> dict[str, Any] | None:
        return None if row.schedule is None else flatten.schedule_json(row.schedule)


class GuardsSerializer(serializers.Serializer[Any]):
    """All of them: there are as many as the team has accounts, strategies and subscriptions, and itself."""

    results = GuardSerializer(many=True)


class DoneSerializer(serializers.Serializer[Any]):
    """What a stop did at once."""

    canceled = serializers.IntegerField()
    declined = serializers.IntegerField()
    closing = serializers.IntegerField()
    elsewhere = serializers.IntegerField(
        help_text="Working orders placed elsewhere in the level's accounts: they go on working."
    )
    not_closed = serializers.ListField(
        child=serializers.CharField(), help_text="Why each position stays that Halyard has no orders for."
    )


class StoppedSerializer(GuardSerializer):
    done = DoneSerializer()


class HaltSerializer(serializers.Serializer[Any]):
    """`flatten` closes the level's positions too."""

    how = serializers.ChoiceField(choices=[str(Halt.ENTRIES), str(Halt.EVERYTHING)])
    reason = serializers.CharField(max_length=200)
    flatten = serializers.BooleanField(default=False)


class ResumeSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200)


class ScheduleSerializer(serializers.Serializer[Any]):
    """One of `minutes_before_close` and `at`, this with its `zone`."""

    minutes_before_close = serializers.IntegerField(required=False, min_value=1, max_value=MOST_MINUTES)
    at = serializers.TimeField(required=False)
    zone = serializers.CharField(required=False, max_length=64, default="")
    days = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, max_length=7, default=sorted(WEEK)
    )


@extend_schema(parameters=[OpenApiParameter("level", str, OpenApiParameter.QUERY, enum=[str(each) for each in Level])])
class Guards(TeamRows):
    """Limits and stops of the team, its accounts, strategies and subscriptions, with today's figures."""

    queryset: QuerySet[Guard] = Guard.objects.all()
    serializer_class = GuardSerializer
    pagination_class = None

    @extend_schema(responses=GuardsSerializer)
    def list(self, request: Request) -> Response:
        """Every level, the widest first."""
        filters = dict(request.GET.items())
        level = filters.pop("level", "")
        if filters:
            unknown = next(iter(filters))[:80]
            raise Refused(f"There is no filter {unknown!r} here. Use: level.", "unknown-filter", unknown)
        if level and level not in list(Level):
            words = ", ".join(Level)
            raise Refused(f"{str(level)[:80]!r} is not a level. Use one of: {words}.", "invalid-level", "level")
        rows = [row for row in levels.all_levels(self.team, timezone.now()) if level in {"", str(row.level)}]
        return Response({"results": GuardSerializer(rows, many=True).data})

    @extend_schema(responses=GuardSerializer, parameters=[])
    @action(detail=False, url_path=PATH, url_name="one")
    def one(self, request: Request, level: str, code: UUID) -> Response:
        """One level."""
        return self._shown(self._level(level, code)[1])

    @extend_schema(request=HaltSerializer, responses=StoppedSerializer, parameters=[])
    @action(detail=False, methods=["post"], url_path=f"{PATH}/halt", url_name="halt")
    def halt(self, request: Request, level: str, code: UUID) -> Response:
        """Stop entries, or everything, before the next order leaves; unsent and working orders are canceled."""
        self.allow_stop()
        _, target = self._level(level, code)
        values = self.body(HaltSerializer)
        try:
            stopped = halt.halt(
                team=self.team,
                target=target,
                how=Halt(values["how"]),
                reason=values["reason"],
                flatten=values["flatten"],
                actor=self.actor,
                now=timezone.now(),
            )
        except GuardRefused as refused:
            raise Conflict(str(refused), "already-stopped") from refused
        answer = self._shown(target)
        answer.data["done"] = DoneSerializer(stopped).data
        return answer

    @extend_schema(request=ResumeSerializer, responses=GuardSerializer, parameters=[])
    @action(detail=False, methods=["post"], url_path=f"{PATH}/resume", url_name="resume")
    def resume(self, request: Request, level: str, code: UUID) -> Response:
        """Let signals open positions again; what the stop canceled stays canceled. The whole team takes an owner."""
        kind, target = self._level(level, code)
        self.allow(Scope.TRADE, Role.OWNER if kind is Level.TEAM else Role.TRADER)
        values = self.body(ResumeSerializer)
        try:
            halt.resume(team=self.team, target=target, reason=values["reason"], actor=self.actor, now=timezone.now())
        except GuardRefused as refused:
            raise Conflict(str(refused), "nothing-stopped") from refused
        return self._shown(target)

    @extend_schema(request=ScheduleSerializer, responses=GuardSerializer, parameters=[])
    @action(detail=False, methods=["post"], url_path=f"{PATH}/flatten", url_name="flatten")
    def flatten(self, request: Request, level: str, code: UUID) -> Response:
        """Close the level's positions by the clock from now on. A person takes that away, on the level's page."""
        _, target = self._level(level, code)
        self.allow(Scope.TRADE, Role.TRADER)
        values = self.body(ScheduleSerializer)
        minutes, at, zone = (values.get(name) for name in ("minutes_before_close", "at", "zone"))
        if minutes is not None and (at is not None or zone):
            raise Conflict("Send minutes_before_close, or at with its zone, and not both.", "schedule-of-two-kinds")
        wanted = Schedule(days=frozenset(values["days"]), minutes_before_close=minutes, at=at, zone=zone or "")
        try:
            flatten.set_schedule(team=self.team, target=target, wanted=wanted, actor=self.actor, now=timezone.now())
        except GuardRefused as refused:
            raise Conflict(str(refused), "no-such-schedule") from refused
        return self._shown(target)

    def _shown(self, target: Target) -> Response:
        return Response(dict(GuardSerializer(levels.one_level(self.team, target, timezone.now())).data))

    def _level(self, level: str, code: UUID) -> tuple[Level, Target]:
        return levels.level_of(self.team, level, code)
