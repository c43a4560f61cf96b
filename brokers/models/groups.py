"""An advisor's groups of accounts: what IBKR shows of them, and what people have asked it to change."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.advisors.groups import NAME_LENGTH, Group, Member, Method, members_from_json
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import word
from brokers.models.connections import Connection


class Advisor(models.Model):
    """What is known of the groups of one connection as a whole: when they were read, and whether they are to be again."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="advisor")
    # Since when a look at the groups, or a change of one, waits for the lane; null when none does.
    wanted_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    # Why the last look came to nothing; "" where it did not.
    reason = models.CharField(max_length=300, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = "look at an advisor's groups"
        verbose_name_plural = "looks at advisors' groups"
        indexes = [
            models.Index(fields=["connection"], condition=Q(wanted_at__isnull=False), name="advisors_wanted"),
        ]

    def __str__(self) -> str:
        return f"groups of connection {self.connection_id}"


class AccountGroup(models.Model):
    """One group as IBKR showed it last. A group that has gone stays, with the moment: orders and subscriptions name it."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="account_groups")
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="account_groups", db_constraint=False
    )
    # The advisor's own account: IBKR lists the orders of a group there.
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="account_groups", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    method = word(Method)
    # As `domain.advisors.groups.members_json` writes them.
    members = models.JSONField(default=list)
    # IBKR shows more of it than could be read: nothing is opened for it.
    incomplete = models.BooleanField(default=False, db_default=False)
    # Numbers of accounts that were in it once: what they got by its orders, they leave by its ways out.
    former = models.JSONField(default=list)
    read_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "group of accounts"
        verbose_name_plural = "groups of accounts"
        constraints = [
            one_id_per_team("account_group"),
            same_team("connection", "account_group"),
            same_team("account", "account_group"),
            models.UniqueConstraint(fields=["connection", "name"], name="one_group_per_connection_and_name"),
            # What a subscription of a group points at: the group and the account that carries its orders, together.
            models.UniqueConstraint(fields=["id", "account"], name="account_group_with_its_account_is_pointed_to"),
            models.CheckConstraint(condition=~Q(name=""), name="group_has_a_name"),
            models.CheckConstraint(condition=one_of("method", Method), name="group_method_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def value(self) -> Group:
        return Group(name=self.name, method=Method(self.method), members=self.parts)

    @property
    def parts(self) -> tuple[Member, ...]:
        return members_from_json(self.members)

    @property
    def label(self) -> str:
        """The method in words."""
        return Method(self.method).label


class GroupChange(models.Model):
    """One wish of a person's about a group: written down first, sent once, and judged by what IBKR shows afterwards."""

    class Kind(models.TextChoices):
        MAKE = "make", "Make"
        CHANGE = "change", "Change"
        REMOVE = "remove", "Remove"

    class Status(StrEnum):
        ASKED = "asked"
        SENT = "sent"
        DONE = "done"
        REFUSED = "refused"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="group_changes")
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="group_changes", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    name = models.CharField(max_length=NAME_LENGTH)
    # What the group is to be; of one that is to go, what it was.
    method = word(Method)
    members = models.JSONField(default=list)
    status = word(Status, default=Status.ASKED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # How it ended, or why nobody knows yet.
    reason = models.CharField(max_length=300, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = "change of a group"
        verbose_name_plural = "changes of groups"
        constraints = [
            one_id_per_team("group_change"),
            same_team("connection", "group_change"),
            models.UniqueConstraint(
                fields=["connection", "name"],
                condition=Q(ended_at__isnull=True),
                name="one_open_change_per_group",
            ),
            models.CheckConstraint(condition=Q(kind__in=["make", "change", "remove"]), name="group_change_is_known"),
            models.CheckConstraint(condition=one_of("method", Method), name="group_change_method_is_known"),
            models.CheckConstraint(
                condition=Q(status="asked", sent_at=None, ended_at=None)
                | Q(status="sent", sent_at__isnull=False, ended_at=None)
                | Q(status__in=["done", "refused"], ended_at__isnull=False),
                name="group_change_has_the_moments_of_its_status",
            ),
        ]
        indexes = [models.Index(fields=["connection", "-id"], name="group_changes_of_connections")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.status}"

    @property
    def value(self) -> Group:
        return Group(name=self.name, method=Method(self.method), members=members_from_json(self.members))

    @property
    def label(self) -> str:
        return Method(self.method).label

    @property
    def parts(self) -> list[dict[str, Any]]:
        return list(self.members)
