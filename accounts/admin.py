"""The operator's view of people and teams."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import ApiToken, AuditEntry, Invitation, Membership, Team, User
from accounts.readonly import ReadOnly


@admin.register(User)
class UserAdmin(ReadOnly):
    """People. Only whether somebody may sign in and operate can be changed here."""

    list_display = ("email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email",)
    exclude = ("password",)
    readonly_fields = ("email", "time_zone", "date_joined", "last_login", "first_name", "last_name")
    filter_horizontal = ("groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


class Members(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    can_delete = False
    readonly_fields = ("user", "role", "joined_at")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Team)
class TeamAdmin(ReadOnly):
    list_display = ("name", "code", "created_at")
    search_fields = ("name", "code", "members__email")
    inlines = (Members,)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ("team", "role", "note", "invited_by", "created_at", "expires_at", "accepted_by")
    exclude = ("token_hash",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = ("name", "prefix", "team", "user", "created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix", "team__name", "user__email")
    exclude = ("token_hash",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "team", "actor", "action", "subject")
    list_filter = ("action",)
    search_fields = ("subject", "team__name", "actor__email")
