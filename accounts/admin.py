"""The operator's view of people and teams."""

from __future__ import annotations

from typing import Any, cast

import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401  both register their tables, which are taken over below
from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, departures, readonly
from accounts.models import (
    ApiToken,
    AuditChain,
    AuditEntry,
    AuditKey,
    Departure,
    Invitation,
    Membership,
    ScheduledTask,
    Team,
    User,
)
from accounts.readonly import CLOCK, ReadOnly

# What an operator may change of a person.
RIGHTS = ("is_active", "is_staff", "is_superuser")


@admin.register(User)
class UserAdmin(ReadOnly):
    """People. Only whether somebody may sign in and operate can be changed here."""

    task = readonly.ENTER
    list_display = ("email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email",)
    exclude = ("password",)
    readonly_fields = ("email", "time_zone", "date_joined", "last_login", "first_name", "last_name")
    filter_horizontal = ("groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        is_deleted = isinstance(obj, User) and obj.deleted_at is not None
        return bool(getattr(request.user, "is_superuser", False)) and not is_deleted

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = User.objects.filter(pk=obj.pk).values(*RIGHTS).first()
        super().save_model(request, obj, form, change)
        after = {name: getattr(obj, name) for name in RIGHTS}
        if before != after:
            audit.record_person(
                person=obj,
                actor=cast(User, request.user),
                action="account.rights_changed",
                subject=obj.email,
                before=before,
                after=after,
                now=timezone.now(),
            )
        if "is_active" in form.changed_data and not obj.is_active:
            departures.switch_off(user=obj, actor=cast(User, request.user), now=timezone.now())


class Members(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    can_delete = False
    readonly_fields = ("user", "role", "joined_at")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Team)
class TeamAdmin(ReadOnly):
    task = readonly.ENTER
    list_display = ("name", "code", "created_at")
    search_fields = ("name", "code", "members__email")
    inlines = (Members,)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    task = readonly.ENTER
    list_display = ("team", "role", "note", "invited_by", "created_at", "expires_at", "accepted_by")
    exclude = ("token_hash",)


@admin.register(Departure)
class DepartureAdmin(ReadOnly):
    task = readonly.ENTER
    list_display = ("email", "team", "how", "role_before", "role_after", "at", "settled_at")
    search_fields = ("email", "team__name")
    list_select_related = ("team",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    task = readonly.ENTER
    list_display = ("name", "prefix", "team", "user", "created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix", "team__name", "user__email")
    exclude = ("token_hash",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    task = readonly.RECORD
    list_display = ("at", "chain", "number", "actor_name", "action", "subject", "address", "origin")
    list_filter = ("chain__kind", "action")
    search_fields = ("subject", "team__name", "actor_name", "address")
    list_select_related = ("chain",)


@admin.register(AuditChain)
class AuditChainAdmin(ReadOnly):
    """Chains of entries; `manage.py audit verify` says whether one was changed."""

    task = readonly.RECORD
    list_display = ("name", "kind", "number", "removed_number", "code")
    list_filter = ("kind",)
    search_fields = ("name", "code")


@admin.register(AuditKey)
class AuditKeyAdmin(ReadOnly):
    """Keys that entries are signed with. What they are is shown to nobody."""

    task = readonly.RECORD
    list_display = ("id", "made_at")
    exclude = ("secret",)


@admin.register(ScheduledTask)
class ScheduledTaskAdmin(ReadOnly):
    task = CLOCK
    list_display = ["name", "period_seconds", "last_at"]


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """What operators changed here."""

    task = readonly.RECORD
    shown_as = "Changes made here"
    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_select_related = ("user", "content_type")


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    task = readonly.ENTER
    list_display = ("user", "team", "role", "joined_at", "mail_approvals")
    list_filter = ("role",)
    search_fields = ("user__email", "team__name")
    list_select_related = ("user", "team")


# Tables of the libraries, which register them themselves.
admin.site.unregister([Authenticator, EmailAddress, Group, UserSession])


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    """Second steps. What they are made of is shown to nobody; a lost one is taken away by deleting it."""

    task = readonly.ENTER
    shown_as = "Second steps"
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    exclude = ("data",)
    list_select_related = ("user",)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


@admin.register(UserSession)
class SessionAdmin(ReadOnly):
    """Browsers that are signed in. The key of a session would open it, so it is shown to nobody."""

    task = readonly.ENTER
    shown_as = "Browsers signed in"
    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    search_fields = ("user__email", "ip")
    exclude = ("session_key", "data")
    list_select_related = ("user",)


@admin.register(EmailAddress)
class AddressAdmin(EmailAddressAdmin):
    """Addresses: an operator may add, confirm and remove one, where mail does not reach."""

    task = readonly.ENTER
    shown_as = "E-mail addresses"
    search_fields = ("email", "user__email")


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin):
    """Which of these tables operators that are no superusers may see."""

    task = readonly.ENTER
    shown_as = "Groups of operators"
