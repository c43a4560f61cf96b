"""The team's record over REST: what its page shows, to the same people."""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.fields import Moment, Shown
from accounts.api.filters import contains, since, starts, until
from accounts.api.paging import NewestFirst
from accounts.api.views import Listed
from accounts.audit import export, search
from accounts.models import AuditEntry, Role


class AuditEntrySerializer(Shown):
    """One entry with all that is signed, and its signature."""

    at = Moment(read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True, help_text="Empty where Halyard did it itself.")

    class Meta:
        model = AuditEntry
        fields = export.COLUMNS


class NewestNumberFirst(NewestFirst):
    """Pages in the order of the chain."""

    ordering = "-number"


class Record(Listed):
    """Who did what in the team, from where: the entries of its chain. For owners."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    pagination_class = NewestNumberFirst
    filters = {
        "actor": contains("actor_name", most=254),
        "kind": starts("action", search.KINDS),
        "subject": contains("subject", most=120),
        "since": since("at"),
        "until": until("at"),
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.require(Role.OWNER)

    def get_queryset(self) -> models.QuerySet[AuditEntry]:
        return search.of_team(self.team, search.Search())


VIEWSETS = {"record": Record}
