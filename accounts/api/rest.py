"""What every list of the REST API has in common: the token's team, pages, filters, and refusals with a code."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any, ClassVar

import redis
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models
from django.utils.dateparse import parse_datetime
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import mixins, pagination, serializers, viewsets
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView, exception_handler

from accounts.models import ApiToken, Membership, Role, Scope, Team, User

MAX_LIMIT = 200


class Refused(APIException):
    """400 with a stable code, a sentence, and the parameter that cannot be used."""

    status_code = 400

    def __init__(self, sentence: str, code: str, field: str) -> None:
        super().__init__(sentence, code)
        self.field = field


class Conflict(APIException):
    """409 with a stable code and a sentence: it was asked for properly, and is not possible now."""

    status_code = 409

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence, code)


def explain(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal as {code, message, field?}."""
    response = exception_handler(error, context)
    if response is None:
        return None
    codes = error.get_codes() if isinstance(error, APIException) else "not-found"
    code = codes.replace("_", "-") if isinstance(codes, str) else "invalid"
    response.data = {"code": code, "message": str(response.data["detail"])}
    if field := getattr(error, "field", None):
        response.data["field"] = field
    return response


# -- values -----------------------------------------------------------------------------------------------------------


class Amount(serializers.DecimalField):
    """A decimal as text, without exponent or trailing zeros: JSON numbers would lose digits on the way."""

    def to_representation(self, value: Any) -> str:
        text = f"{Decimal(value):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class Moment(serializers.DateTimeField):
    """A moment in UTC, wherever the viewer is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class Shown(serializers.ModelSerializer[Any]):
    """One of our rows as JSON, read only; `id` is its public code."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: Amount,
        models.DateTimeField: Moment,
    }

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


def code(source: str = "code", **kwargs: Any) -> serializers.UUIDField:
    """A public id: the row's own, or that of a row it points to."""
    return serializers.UUIDField(source=source, read_only=True, **kwargs)


# -- filters ----------------------------------------------------------------------------------------------------------

Filter = Callable[[str, str], models.Q]


def equals(path: str) -> Filter:
    """The column holds this text."""
    return lambda name, text: models.Q(**{path: text})


def ticker(path: str) -> Filter:
    """The column holds this ticker, in any letter case."""
    return lambda name, text: models.Q(**{path: text.upper()})


def one_of(path: str, words: Any) -> Filter:
    """The column holds this word, or one of these separated by commas."""
    known = [str(word) for word in words]

    def read(name: str, text: str) -> models.Q:
        asked = [word.strip() for word in text.split(",")]
        if unknown := [word for word in asked if word not in known]:
            raise Refused(
                f"{unknown[0]!r} is not a {name}. Use one or more of: {', '.join(known)}.", f"invalid-{name}", name
            )
        return models.Q(**{f"{path}__in": asked})

    return read


def public_id(path: str) -> Filter:
    """The row, or one it points to, has this id."""

    def read(name: str, text: str) -> models.Q:
        try:
            return models.Q(**{path: uuid.UUID(text)})
        except ValueError:
            raise Refused(f"{name} is {text[:80]!r}. Use the id of one, a UUID.", f"invalid-{name}", name) from None

    return read


def since(path: str) -> Filter:
    """The moment in the column is this one or a later one."""

    def read(name: str, text: str) -> models.Q:
        sentence = f"{name} is {text[:80]!r}. Use a moment with its zone, like 2026-11-20T15:00:00Z."
        try:
            # A plus sign that was not escaped arrives as a space.
            moment = parse_datetime(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Refused(sentence, f"invalid-{name}", name)
        return models.Q(**{f"{path}__gte": moment})

    return read


# -- pages ------------------------------------------------------------------------------------------------------------


class NewestFirst(pagination.CursorPagination):
    """Pages by cursor. The cursor holds a primary key, so it is encrypted: those never leave the database."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = MAX_LIMIT

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.page_size))
        if not (text.isdecimal() and len(text) < 6 and int(text) > 0):
            raise Refused(
                f"limit is {text[:80]!r}. Use a whole number from 1 to {MAX_LIMIT}.", "invalid-limit", "limit"
            )
        return min(int(text), MAX_LIMIT)

    def decode_cursor(self, request: Request) -> Any:
        encrypted = request.query_params.get("cursor")
        if encrypted is None:
            return None
        try:
            plain = _cipher().decrypt(encrypted.encode()).decode()
            reverse, _, position = plain.partition(" ")
            return pagination.Cursor(offset=0, reverse=reverse == "previous", position=int(position))
        except (InvalidToken, ValueError):
            raise Refused(
                "This cursor is not one of ours. Take `next` or `previous` of an answer as it is.",
                "invalid-cursor",
                "cursor",
            ) from None

    def encode_cursor(self, cursor: Any) -> str:
        # Ids are unique, so a position never needs an offset beside it.
        plain = f"{'previous' if cursor.reverse else 'next'} {cursor.position}"
        encrypted = _cipher().encrypt(plain.encode()).decode()
        assert self.base_url is not None
        return replace_query_param(self.base_url, "cursor", encrypted)


def _cipher() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"api cursor {settings.SECRET_KEY}".encode()).digest()))


# -- views ------------------------------------------------------------------------------------------------------------


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


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description names our tokens."""

    target_class = "accounts.api.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Token <your token>; made on the team page, good for one team.",
        }
