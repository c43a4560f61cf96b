"""What every view of the REST API has in common: the token's team, the limits, the filters, the body, the scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import redis
from django.db import models
from rest_framework import mixins, serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from accounts.api.filters import Filter
from accounts.api.paging import NewestFirst
from accounts.api.refusals import Refused
from accounts.models import ApiToken, Membership, Role, Scope, Team, User


class Throttle(UserRateThrottle):
    """Counts in Redis. Without Redis nobody is counted: reading must not depend on it."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return super().allow_request(request, view)
        except redis.RedisError:
            return True


class Things(viewsets.GenericViewSet[Any]):
    """A list of the rows of the token's team, newest first."""

    filters: ClassVar[Mapping[str, Filter]] = {}
    pagination_class: type[NewestFirst] | None = NewestFirst
    throttle_classes = [Throttle]
    lookup_field = "code"
    lookup_value_converter = "uuid"

    @property
    def team(self) -> Team:
        token = self.request.auth
        assert isinstance(token, ApiToken)
        return token.team

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(team=self.team)

    def filter_queryset(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Filters of a list; a parameter that nobody reads is refused, since it would be taken for obeyed."""
        if self.action != "list":
            return queryset
        for name, text in self.request.GET.items():
            assert isinstance(text, str)
            if name in {"cursor", "limit"}:
                continue
            if name not in self.filters:
                known = ", ".join([*self.filters, "limit", "cursor"])
                raise Refused(f"There is no filter {name[:80]!r} here. Use: {known}.", "unknown-filter", name[:80])
            queryset = queryset.filter(self.filters[name](name, text))
        return queryset

    @property
    def actor(self) -> User:
        """Whose token it is."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def allow(self, scope: Scope, role: Role) -> None:
        """Both have to allow what is asked for: the token, and the present role of its member."""
        token = self.request.auth
        assert isinstance(token, ApiToken)
        if scope not in token.scopes:
            raise PermissionDenied(
                f"This token may not do that. Issue one on the team page that may: {scope.label}.", "scope-missing"
            )
        membership = Membership.objects.filter(team=token.team, user=token.user).first()
        if membership is None or not membership.may(role):
            raise PermissionDenied(
                f"This needs the role of {role.label.lower()} in this team. Ask an owner of the team for it.",
                "role-missing",
            )

    def body(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """What was sent, read by the serializer; a field that nobody reads is refused, since it would be taken for obeyed."""
        sent = self.request.data
        if not isinstance(sent, Mapping):
            raise Refused("Send a JSON object.", "invalid-body", "body")
        known = serializer().fields
        if unknown := [name for name in sent if name not in known]:
            raise Refused(
                f"There is no field {str(unknown[0])[:80]!r} here. Use: {', '.join(known)}.",
                "unknown-field",
                str(unknown[0])[:80],
            )
        read = serializer(data=sent)
        if not read.is_valid():
            field, errors = next(iter(read.errors.items()))
            raise Refused(f"{field}: {errors[0]}", f"invalid-{str(field).replace('_', '-')}", str(field))
        values: dict[str, Any] = read.validated_data
        return values


class Listed(mixins.ListModelMixin, Things):
    """List only."""


class ListedAndShown(mixins.RetrieveModelMixin, mixins.ListModelMixin, Things):
    """List, and each row at its own address."""
