"""The page of a connection's groups, and the forms that make, change and remove one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.advisors import changes, reading
from brokers.domain.advisors.groups import Group
from brokers.domain.sessions import Environment
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Connection, GroupChange
from brokers.pages.advisors.forms import Choice, GroupForm, choices_of, group_of

# Of what was asked of IBKR lately.
_SHOWN = 10


@require_GET
def groups(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Who is in each group, by which method, and what became of what was asked for."""
    connection = row_for(request.user, team_code, Connection.objects.select_related("advisor"), connection_code)
    context = {
        "connection": connection,
        "carrier": reading.carrier_of(connection),
        "look": Advisor.objects.filter(connection=connection).first(),
        "groups": AccountGroup.objects.filter(connection=connection, gone_at=None).order_by("name"),
        "changes": list(_changes(connection)[:_SHOWN]),
        "titles": dict(connection.accounts.values_list("account_id", "title")),
        "known": set(connection.accounts.values_list("account_id", flat=True)),
    }
    return render(request, "brokers/groups.html", context)


def _changes(connection: Connection) -> QuerySet[GroupChange]:
    return GroupChange.objects.filter(connection=connection).select_related("asked_by").order_by("-pk")


@require_POST
def groups_read(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Ask IBKR for the groups as they are now."""
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    if connection.enabled:
        reading.want(connection, timezone.now())
        messages.success(request, "IBKR is being asked for its groups; they appear here by themselves.")
    else:
        messages.error(request, "This connection is off, so IBKR cannot be asked. Switch it on first. (connection-off)")
    return redirect("groups", team_code, connection_code)


@require_http_methods(["GET", "POST"])
def group_new(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Make a group."""
    connection = _to_change(request, team_code, connection_code)
    form = GroupForm(request.POST or None, initial={"method": "EqualQuantity"})
    offered = choices_of(_clients(connection), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        group = group_of(values["name"], values["method"], offered)
        if _asked(request, connection, changes.Kind.MAKE, form, group):
            return redirect("groups", team_code, connection_code)
    return _form(request, connection, form, offered)


@require_http_methods(["GET", "POST"])
def group(request: HttpRequest, team_code: UUID, connection_code: UUID, group_code: UUID) -> HttpResponse:
    """Change who is in a group, or its method. Its name stays: orders and subscriptions go by it."""
    connection = _to_change(request, team_code, connection_code)
    row = _row(request, team_code, connection, group_code)
    sent = request.POST.copy() if request.method == "POST" else None
    if sent is not None:
        sent["name"] = row.name
    form = GroupForm(sent, initial={"name": row.name, "method": row.method})
    offered = choices_of(_clients(connection), sent, row.parts)
    if sent is not None and form.is_valid():
        wanted = group_of(row.name, form.cleaned_data["method"], offered)
        if _asked(request, connection, changes.Kind.CHANGE, form, wanted):
            return redirect("groups", team_code, connection_code)
    return _form(request, connection, form, offered, row)


@require_POST
def group_remove(request: HttpRequest, team_code: UUID, connection_code: UUID, group_code: UUID) -> HttpResponse:
    connection = _to_change(request, team_code, connection_code)
    row = _row(request, team_code, connection, group_code)
    try:
        changes.ask(
            connection=connection,
            kind=changes.Kind.REMOVE,
            group=row.value,
            actor=actor_of(request),
            now=timezone.now(),
        )
    except changes.GroupRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        messages.success(request, f"IBKR is being asked to remove {row.name}; what comes of it appears here.")
    return redirect("groups", team_code, connection_code)


def _to_change(request: HttpRequest, team_code: UUID, connection_code: UUID) -> Connection:
    """The connection, for those who may trade; who changes how real money is divided confirms it once more."""
    rows = Connection.objects.select_related("team")
    connection = row_for(request.user, team_code, rows, connection_code, Role.TRADER)
    if request.method == "POST" and connection.environment == Environment.LIVE:
        require_step_up(request)
    return connection


def _row(request: HttpRequest, team_code: UUID, connection: Connection, group_code: UUID) -> AccountGroup:
    rows = AccountGroup.objects.filter(connection=connection)
    return row_for(request.user, team_code, rows, group_code, Role.TRADER)


def _clients(connection: Connection) -> list[BrokerageAccount]:
    rows = connection.accounts.exclude(kind=BrokerageAccount.Kind.ADVISOR)
    return list(rows.order_by("account_id"))


def _asked(request: HttpRequest, connection: Connection, kind: changes.Kind, form: GroupForm, group: Group) -> bool:
    """Whether the wish was written down; otherwise the form says why not."""
    try:
        changes.ask(connection=connection, kind=kind, group=group, actor=actor_of(request), now=timezone.now())
    except changes.GroupRefused as refused:
        form.add_error(None, f"{refused} ({refused.code})")
        return False
    messages.success(request, f"IBKR is being asked for {group.name}; what comes of it appears here.")
    return True


def _form(
    request: HttpRequest,
    connection: Connection,
    form: GroupForm,
    offered: list[Choice],
    row: AccountGroup | None = None,
) -> HttpResponse:
    context = {"connection": connection, "form": form, "offered": offered, "row": row}
    return render(request, "brokers/group.html", context, status=422 if form.errors else 200)
