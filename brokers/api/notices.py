"""Notices over REST: what a connection's owners were told, and what became of it on the way to each."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from accounts.api.fields import Moment, Shown, code
from accounts.api.filters import one_of, public_id, since
from accounts.api.paging import NewestByKey
from accounts.api.views import Listed
from accounts.models import ApiToken
from brokers.domain.notices import NoticeKind
from brokers.models import Delivery, Dispatch, Notice


class WaySerializer(serializers.Serializer[Any]):
    """A notice on its way to one person or place."""

    by = serializers.CharField(help_text="email, or the service of a chat.")
    to = serializers.CharField(help_text="The address, or the name that its owner gave the chat.")
    status = serializers.CharField()
    tries = serializers.IntegerField()
    sent_at = Moment(allow_null=True)
    error = serializers.CharField(help_text="Why it did not arrive; empty where it did or may have.")


class NoticeSerializer(Shown):
    """One event that the owners of a connection were told of. `event` is its name, which one connection has once.

    `ways`: by e-mail to each owner, and to the chats and programs of the token's own member: nobody else's are named.
    """

    connection = code("connection.code")
    ways = serializers.SerializerMethodField()

    def get_ways(self, row: Notice) -> list[dict[str, Any]]:
        mails: list[tuple[str, str, Dispatch | Delivery]] = [
            (each.channel, each.user.email, each) for each in row.dispatches.all()
        ]
        chats = [(each.destination.service, each.destination.name, each) for each in row.deliveries.all()]
        ways = [
            {
                "by": by,
                "to": to,
                "status": way.status,
                "tries": way.tries,
                "sent_at": way.sent_at,
                "error": way.error,
            }
            for by, to, way in [*mails, *chats]
        ]
        return list(WaySerializer(ways, many=True).data)

    class Meta:
        model = Notice
        fields = ("connection", "kind", "event", "why", "opens_at", "created_at", "settled_at", "ways")


class Notices(Listed):
    """Notices to owners, the newest first."""

    queryset = Notice.objects.select_related("connection")
    serializer_class = NoticeSerializer
    pagination_class = NewestByKey
    filters = {
        "connection": public_id("connection__code"),
        "kind": one_of("kind", NoticeKind),
        "since": since("created_at"),
    }

    def get_queryset(self) -> QuerySet[Notice]:
        token = self.request.auth
        assert isinstance(token, ApiToken)
        own = Delivery.objects.filter(destination__membership__user=token.user, destination__membership__team=self.team)
        rows = Notice.objects.filter(connection__team=self.team).select_related("connection")
        return rows.prefetch_related(
            "dispatches__user", Prefetch("deliveries", own.select_related("destination").order_by("pk"))
        )
