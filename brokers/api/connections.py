"""Connections over REST: read, made, mended, tested, switched on and off, with the refusals of their pages.

A token is issued after a fresh confirmation and asked for none later. Where a page asks for one because real money is
meant, a token is refused: that takes a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.filters import one_of, since
from accounts.api.refusals import Conflict, Refused
from accounts.api.views import ListedAndShown
from accounts.entrance.gateway_calls import may_call
from accounts.models import Role, Scope
from brokers.api.serializers import ConnectionSerializer, TrialSerializer
from brokers.connections import changes, connections, owning, trials
from brokers.connections.changes import CertificateUnknown, Fields
from brokers.connections.connections import ConnectionRefused
from brokers.connections.consents import consent_of
from brokers.connections.refusals import FIELD_OF, TOO_MANY_CALLS
from brokers.domain.addresses import AddressRefused, completed
from brokers.domain.live_money import CONFIRMATION, EMAIL, FACTOR
from brokers.domain.sessions import Environment, Ownership, Region, SessionStatus
from brokers.models import Connection
from brokers.orders.unasked import suppressions

# A valid request that is not possible now.
_CONFLICTS = frozenset(
    {"username-taken", "orders-work", "connection-removed", "certificate-changed", "certificate-unknown"}
    | {"environment-stays", "no-simulator", "not-competing", "no-certificate", "plain-http"}
)
_FORBIDDEN = frozenset({EMAIL, FACTOR, CONFIRMATION, "demo-team"})


class FieldsSerializer(serializers.Serializer[Any]):
    """What may be changed. `certificate_sha256` is the fingerprint of the certificate that you compared with your
    gateway's, where a new address shows one that no authority vouches for."""

    name = serializers.CharField(max_length=80, required=False)
    username = serializers.CharField(max_length=64, required=False)
    environment = serializers.ChoiceField([str(each) for each in Environment], required=False)
    base_url = serializers.CharField(max_length=300, required=False)
    region = serializers.ChoiceField([str(each) for each in Region], required=False)
    certificate_sha256 = serializers.CharField(max_length=200, required=False)


class NewSerializer(FieldsSerializer):
    """A new connection; a simulated one needs its name only."""

    name = serializers.CharField(max_length=80)
    environment = serializers.ChoiceField([str(each) for each in Environment])


class AddressSerializer(serializers.Serializer[Any]):
    base_url = serializers.CharField(max_length=300)


class OwnershipSerializer(serializers.Serializer[Any]):
    """`polite_minutes` is how long a polite connection leaves its session to a person; as it was where left out."""

    ownership = serializers.ChoiceField([str(each) for each in Ownership])
    polite_minutes = serializers.IntegerField(required=False)


class UnaskedSerializer(serializers.Serializer[Any]):
    """Whether IBKR is told not to ask what the team always answers with yes."""

    suppresses_questions = serializers.BooleanField()


class TooMany(APIException):
    """429 with a stable code and a sentence."""

    status_code = 429


class Unknown(Conflict):
    """409 with the certificate that has to be looked at."""

    def __init__(self, refused: CertificateUnknown) -> None:
        super().__init__(str(refused), refused.code)
        certificate = refused.report.certificate
        self.field = "certificate_sha256"
        self.more = {"certificate": certificate.as_json() if certificate else None}


@contextmanager
def refusals() -> Iterator[None]:
    """A refused connection as the answer of its kind, with the code of its page."""
    try:
        yield
    except CertificateUnknown as unknown:
        raise Unknown(unknown) from unknown
    except ConnectionRefused as refused:
        if refused.code in _FORBIDDEN:
            raise PermissionDenied(str(refused), refused.code) from refused
        if refused.code in _CONFLICTS:
            raise Conflict(str(refused), refused.code) from refused
        raise Refused(str(refused), refused.code, FIELD_OF.get(refused.code, "")) from refused
    except AddressRefused as refused:
        raise Refused(str(refused), refused.code, "base_url") from refused


class Connections(ListedAndShown):
    """IBKR users that work for the team, and the state of their sessions."""

    queryset = suppressions.with_latest(Connection.objects.all())
    serializer_class = ConnectionSerializer
    filters = {
        "status": one_of("session_status", SessionStatus),
        "environment": one_of("environment", Environment),
        "since": since("created_at"),
    }

    @extend_schema(request=NewSerializer, responses={201: ConnectionSerializer})
    def create(self, request: Request) -> Response:
        """Make a connection. Halyard signs in by itself; real money is connected by people only."""
        self.allow(Scope.TRADE, Role.TRADER)
        values = self.body(NewSerializer)
        environment = Environment(values["environment"])
        self.spend_a_call(environment)
        with refusals():
            made = changes.connect(
                team=self.team,
                fields=Fields(
                    name=values["name"],
                    username=values.get("username", ""),
                    environment=environment,
                    base_url=values.get("base_url", ""),
                    region=Region(values.get("region", Region.NORTH_AMERICA)),
                ),
                accepted=values.get("certificate_sha256", ""),
                consent=consent_of(self.actor),
                actor=self.actor,
                now=timezone.now(),
            )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FieldsSerializer, responses=ConnectionSerializer)
    def partial_update(self, request: Request, code: str) -> Response:
        """Change what is sent. Where user or address change, Halyard signs in again; those of a live one take a person."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection, values = self.kept_connection(), self.body(FieldsSerializer)
        if connection.environment == Environment.SIMULATED and (fixed := sorted(values.keys() - {"name"})):
            raise Refused(
                "A simulated connection has a user and a gateway of the installation's own. Only its name changes.",
                "simulated-keeps-its-user",
                fixed[0],
            )
        if values.keys() & {"username", "base_url"}:
            self.require_person(connection)
        if "base_url" in values:
            self.spend_a_call(Environment(connection.environment))
        kept = {name: getattr(connection, name) for name in ("name", "username", "environment", "base_url", "region")}
        kept |= {name: value for name, value in values.items() if name in kept}
        fields = Fields(
            name=kept["name"],
            username=kept["username"],
            environment=Environment(kept["environment"]),
            base_url=kept["base_url"],
            region=Region(kept["region"]),
        )
        with refusals():
            accepted = values.get("certificate_sha256", "")
            changes.edit(connection=connection, fields=fields, accepted=accepted, actor=self.actor, now=timezone.now())
        return self.shown()

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, code: str) -> Response:
        """Use the connection again. One to real money is switched on by people only."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.kept_connection()
        self.require_person(connection)
        with refusals():
            connections.enable(
                connection=connection, actor=self.actor, consent=consent_of(self.actor), now=timezone.now()
            )
        return self.shown()

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, code: str) -> Response:
        """Send nothing new through it. Orders working at IBKR go on there."""
        self.allow(Scope.TRADE, Role.TRADER)
        connections.disable(connection=self.kept_connection(), actor=self.actor, now=timezone.now())
        return self.shown()

    @extend_schema(request=None, responses={202: ConnectionSerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, code: str) -> Response:
        """Ask IBKR for the session and the accounts; what is found stands in `trial` once `trial_asked_at` is null."""
        self.allow(Scope.TRADE, Role.TRADER)
        connections.verify(connection=self.kept_connection(), actor=self.actor, now=timezone.now())
        return self.shown(status.HTTP_202_ACCEPTED)

    @extend_schema(request=AddressSerializer, responses=TrialSerializer)
    @action(detail=False, methods=["post"], url_path="test", url_name="try-address", pagination_class=None, filters={})
    def try_address(self, request: Request) -> Response:
        """Call a gateway's address and look at its certificate, without a login."""
        self.allow(Scope.TRADE, Role.TRADER)
        address = completed(self.body(AddressSerializer)["base_url"])
        self.spend_a_call(Environment.PAPER)
        with refusals():
            report = trials.try_address(address, str(self.team.pk), timezone.now())
        return Response(TrialSerializer(report.as_json()).data)

    @extend_schema(request=OwnershipSerializer, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def ownership(self, request: Request, code: str) -> Response:
        """Whose the session is when another login of the same user takes it: `always`, `polite` or `yield`."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection, values = self.kept_connection(), self.body(OwnershipSerializer)
        if values["ownership"] != Ownership.YIELD:
            self.require_person(connection)
        with refusals():
            owning.choose(
                connection=connection,
                ownership=values["ownership"],
                minutes=values.get("polite_minutes"),
                actor=self.actor,
                now=timezone.now(),
            )
        return self.shown()

    @extend_schema(request=UnaskedSerializer, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def unasked(self, request: Request, code: str) -> Response:
        """Let IBKR not ask what the team always answers with yes, or ask everything. For real money, people switch it
        on."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection, suppresses = self.kept_connection(), self.body(UnaskedSerializer)["suppresses_questions"]
        if suppresses:
            self.require_person(connection)
        suppressions.switch(connection=connection, suppresses=suppresses, actor=self.actor, now=timezone.now())
        return self.shown()

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"], url_path="take-back", url_name="take-back")
    def take_back(self, request: Request, code: str) -> Response:
        """Take the session back from another login, at most once a minute."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.kept_connection()
        self.require_person(connection)
        if not owning.take_back(connection=connection, actor=self.actor, now=timezone.now()):
            raise Conflict("No other login has this session now, so there is nothing to take back.", "not-competing")
        return self.shown()

    def kept_connection(self) -> Connection:
        """The connection of this address, unless it was removed."""
        connection: Connection = self.get_object()
        if connection.removed_at is not None:
            raise Conflict(changes.REMOVED, "connection-removed")
        return connection

    def shown(self, code: int = status.HTTP_200_OK) -> Response:
        """The connection as it is now."""
        return Response(self.get_serializer(self.get_object()).data, status=code)

    def require_person(self, connection: Connection) -> None:
        """Refuse where real money is meant: its page asks for a fresh confirmation, which no token can give."""
        if connection.environment == Environment.LIVE:
            raise PermissionDenied(
                "This connection moves real money, so it takes a person who has just confirmed who they are, which no token "
                "can. Do it in the browser, on the page of the connection.",
                CONFIRMATION,
            )

    def spend_a_call(self, environment: Environment) -> None:
        """A person calls a few gateways a minute, by pages and tokens together."""
        if environment is Environment.SIMULATED:
            return
        request = self.request._request
        if not may_call(request, self.actor):
            raise TooMany(TOO_MANY_CALLS, "too-many-calls")
