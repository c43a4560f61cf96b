"""Connections over REST, with their removal: it ends the subscriptions that trade through them."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role, Scope
from brokers.api.connections import refusals
from brokers.api.groups import AdvisorsConnections
from strategies.setup import removal


class Connections(AdvisorsConnections):
    """IBKR users that work for the team, and the state of their sessions."""

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, code: str) -> Response:
        """Take it away: it is off for good, its subscriptions are switched off, its history stays. Those of real money
        are removed by people only."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.kept_connection()
        self.require_person(connection)
        with refusals():
            removal.remove_connection(connection=connection, actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
