"""Views of the REST API: rows of the token's team, filtered and throttled, and what a token may do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from rest_framework import mixins, serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.filters import Filter, Since
from accounts.api.paging import NewestFirst
from accounts.api.refusals import Refused
from accounts.entrance import addresses
from accounts.entrance.second_factors import SecondFactorNeeded, require_second_factor
from accounts.models import ApiToken, Role, Scope, Team, User
from accounts.newest import within
from accounts.plans import patience

# Actions that only stop: they never wait for a second factor.
STOPS = frozenset({"halt"})


class TeamRows(viewsets.GenericViewSet[Any]):
    """Lists the rows of the token's team, newest first."""

    filters: ClassVar[Mapping[str, Filter]] = {}
    # Actions that give many rows, which the filters narrow.
    filtered: ClassVar[frozenset[str]] = frozenset({"list"})
    pagination_class: type[NewestFirst] | None = NewestFirst
    lookup_field = "code"
    lookup_value_converter = "uuid"

    @property
    def team(self) -> Team:
        token = self.request.auth
        assert isinstance(token, ApiToken)
        return token.team

    def get_queryset(self) -> models.QuerySet[Any]:
        rows = super().get_queryset()
        return within(rows, self.team) if self.action in self.filtered else rows.filter(team=self.team)

    def filter_queryset(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Apply the filters of a list. An unknown parameter is refused: its sender would take it for obeyed."""
        if self.action not in self.filtered:
            return queryset
        for name, text in self.request.GET.items():
            assert isinstance(text, str)
            if name in {"cursor", "limit"}:
                continue
            if name not in self.filters:
                known = ", ".join([*self.filters, "limit", "cursor"])
                raise Refused(f"There is no filter {name[:80]!r} here. Use: {known}.", "unknown-filter", name[:80])
            if "\x00" in text:
                raise Refused(f"{name} holds a NUL, which no row does. Leave it out.", f"invalid-{name}", name)
            wanted = self.filters[name]
            queryset = queryset.filter(wanted(name, text))
            if isinstance(wanted, Since) and wanted.rising:
                # The team as one value: only so are keys bounded within its part of the index.
                first = wanted.first_key(queryset, self.team.pk, name, text)
                queryset = queryset.filter(team=self.team, pk__gte=first)
        return queryset

    @property
    def actor(self) -> User:
        """The person whose token it is."""
        assert isinstance(self.request.user, User)
        return self.request.user

    @property
    def address(self) -> str | None:
        """The client's address."""
        return addresses.of_request(self.request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action not in STOPS:
            self._ask_second_factor()

    def _ask_second_factor(self) -> None:
        token = self.request.auth
        assert isinstance(token, ApiToken)
        try:
            require_second_factor(token.membership)
        except SecondFactorNeeded as needed:
            raise PermissionDenied(str(needed), "second-factor-needed") from needed

    def allow_stop(self) -> None:
        """Refuse unless the token may trade and the team lets its member stop."""
        self.allow(Scope.TRADE, Role(self.team.stops_from))

    def allow(self, scope: Scope, role: Role) -> None:
        """Refuse unless both allow it: the token by its scopes, its member by the present role."""
        token = self.request.auth
        assert isinstance(token, ApiToken)
        if scope not in token.scopes:
            raise PermissionDenied(
                f"This token may not do that. Issue one on the team page that may: {scope.label}.", "scope-missing"
            )
        self.require(role)

    def require(self, role: Role) -> None:
        """Refuse unless the token's member has this role now."""
        token = self.request.auth
        assert isinstance(token, ApiToken)
        if not token.membership.may(role):
            raise PermissionDenied(
                f"This needs the role of {role.label.lower()} in this team. Ask an owner of the team for it.",
                "role-missing",
            )

    def body(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The values of the JSON body. An unknown field is refused: its sender would take it for obeyed."""
        body = self.request.data
        if not isinstance(body, Mapping):
            raise Refused("Send a JSON object.", "invalid-body", "body")
        known = serializer().fields
        if unknown := [name for name in body if name not in known]:
            raise Refused(
                f"There is no field {str(unknown[0])[:80]!r} here. Use: {', '.join(known)}.",
                "unknown-field",
                str(unknown[0])[:80],
            )
        reader = serializer(data=body)
        if not reader.is_valid():
            field, errors = next(iter(reader.errors.items()))
            raise Refused(f"{field}: {errors[0]}", f"invalid-{str(field).replace('_', '-')}", str(field))
        values: dict[str, Any] = reader.validated_data
        return values


class Listed(TeamRows):
    """List only."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # A docstring would stand in the schema as the description of every list.
        # Where no index serves the filters together, looking is given up in time.
        if not self.filters.keys() & request.GET.keys():
            return self._page(request)
        try:
            with patience.limited():
                return self._page(request)
        except patience.TooLong as error:
            names = ", ".join(name for name in self.filters if name in request.GET)
            raise Refused(
                f"Too many rows had to be looked through for {names}. Send fewer filters"
                f"{', or `since` with a later moment' if 'since' in self.filters else ''}.",
                "too-much-to-look-through",
                next(name for name in self.filters if name in request.GET),
            ) from error

    def _page(self, request: Request) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


class ListedAndShown(mixins.RetrieveModelMixin, Listed):
    """List, and each row at its own address."""
