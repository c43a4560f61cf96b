"""What a connection believes of its gateway, and what it shows the proxy before it, over REST. No secret is ever read back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.refusals import Conflict
from accounts.models import Role, Scope
from brokers.api.connections import Connections, refusals
from brokers.api.serializers import CertificateSerializer, ConnectionSerializer
from brokers.connections import changes, proxies
from brokers.domain.certificates import Certificate
from brokers.domain.sessions import AuthMethod, Environment
from brokers.models import Connection

# The longest PEM that is read.
_PEM = 20_000


class GatewayCertificateSerializer(serializers.Serializer[Any]):
    """The certificate that a gateway shows now beside the accepted one, which is null where none was."""

    shown = CertificateSerializer()
    accepted = CertificateSerializer(allow_null=True)
    is_accepted = serializers.BooleanField()


class AcceptedSerializer(serializers.Serializer[Any]):
    """The fingerprint of the certificate that you compared with your gateway's; the gateway has to show it now."""

    certificate_sha256 = serializers.CharField(max_length=200)


class ProxySerializer(serializers.Serializer[Any]):
    """What the proxy is shown, as far as it may be read again: the header's name, and whose certificate until when."""

    header = serializers.CharField()
    certificate = serializers.CharField()
    certificate_ends = serializers.DateTimeField(source="until", allow_null=True)


class HeaderSerializer(serializers.Serializer[Any]):
    """A header with a secret, which goes with every request. The secret is kept encrypted and never shown."""

    header = serializers.CharField(max_length=64)
    secret = serializers.CharField(max_length=512, write_only=True, trim_whitespace=False)


class ClientCertificateSerializer(serializers.Serializer[Any]):
    """A client certificate and the key that it was made with, both as PEM, the key without a passphrase."""

    certificate = serializers.CharField(max_length=_PEM)
    key = serializers.CharField(max_length=_PEM, write_only=True)


class Gateways(Connections):
    """IBKR users that work for the team, with the certificate of each gateway and the proxy before it."""

    @extend_schema(responses=GatewayCertificateSerializer)
    @action(detail=True, methods=["get"])
    def certificate(self, request: Request, code: str) -> Response:
        """Call the gateway and look at the certificate that it shows now."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.connection_with_a_gateway()
        self.spend_a_call(Environment(connection.environment))
        with refusals():
            shown = changes.look(connection, timezone.now())
        accepted = Certificate.from_json(connection.certificate) if connection.certificate else None
        body = {
            "shown": shown.as_json(),
            "accepted": accepted.as_json() if accepted else None,
            "is_accepted": accepted is not None and accepted.sha256 == shown.sha256,
        }
        return Response(GatewayCertificateSerializer(body).data)

    @extend_schema(request=AcceptedSerializer, responses=ConnectionSerializer)
    @certificate.mapping.post
    def accept(self, request: Request, code: str) -> Response:
        """From now on this certificate is the gateway's, and no other is. Of a live connection it takes a person."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.connection_with_a_gateway()
        self.require_person(connection)
        sha256 = self.body(AcceptedSerializer)["certificate_sha256"]
        self.spend_a_call(Environment(connection.environment))
        with refusals():
            changes.accept(connection=connection, sha256=sha256, actor=self.actor, now=timezone.now())
        return self.shown()

    @extend_schema(responses=ProxySerializer)
    @action(detail=True, methods=["get"])
    def proxy(self, request: Request, code: str) -> Response:
        """What the proxy before the gateway is shown; secrets are never read back."""
        self.allow(Scope.TRADE, Role.OWNER)
        return self.proxy_of(self.connection_with_a_gateway())

    @extend_schema(request=HeaderSerializer, responses=ProxySerializer)
    @action(detail=True, methods=["put"], url_path="proxy/header", url_name="proxy-header")
    @sensitive_variables()
    def show_header(self, request: Request, code: str) -> Response:
        """Send this header with every request from now on, in place of the one before."""
        connection = self.connection_of_an_owner()
        values = self.body(HeaderSerializer)
        with refusals():
            proxies.show_header(connection=connection, actor=self.actor, now=timezone.now(), **values)
        return self.proxy_of(connection)

    @extend_schema(request=None, responses={204: None})
    @show_header.mapping.delete
    def hide_header(self, request: Request, code: str) -> Response:
        """Send no header any more."""
        connection = self.connection_of_an_owner()
        proxies.show_header(connection=connection, header="", secret="", actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=ClientCertificateSerializer, responses=ProxySerializer)
    @action(detail=True, methods=["put"], url_path="proxy/certificate", url_name="proxy-certificate")
    @sensitive_variables()
    def show_certificate(self, request: Request, code: str) -> Response:
        """Show this client certificate from now on, in place of the one before."""
        connection = self.connection_of_an_owner()
        values = self.body(ClientCertificateSerializer)
        with refusals():
            proxies.show_certificate(connection=connection, actor=self.actor, now=timezone.now(), **values)
        return self.proxy_of(connection)

    @extend_schema(request=None, responses={204: None})
    @show_certificate.mapping.delete
    def hide_certificate(self, request: Request, code: str) -> Response:
        """Show no client certificate any more."""
        connection = self.connection_of_an_owner()
        proxies.show_certificate(connection=connection, certificate="", key="", actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def connection_with_a_gateway(self) -> Connection:
        """The connection of this address, where a gateway of the team's answers."""
        connection = self.kept_connection()
        if connection.environment == Environment.SIMULATED or AuthMethod(connection.auth_method).signs:
            what = "signs with keys" if AuthMethod(connection.auth_method).signs else "is simulated"
            raise Conflict(
                f"This connection {what}, so no gateway of yours answers for it. Ask for one that has a gateway.",
                "no-gateway-of-yours",
            )
        return connection

    def connection_of_an_owner(self) -> Connection:
        """The connection whose proxy may be shown something else: by an owner, and for real money by a person."""
        self.allow(Scope.TRADE, Role.OWNER)
        connection = self.connection_with_a_gateway()
        self.require_person(connection)
        return connection

    def proxy_of(self, connection: Connection) -> Response:
        """What its proxy is shown now."""
        return Response(ProxySerializer(proxies.shown(connection)).data)
