"""The operator's pages: who may see them, and that their only way in is the front door."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.generic import RedirectView

from accounts.entrance.second_factors import has_second_factor
from accounts.entrance.step_up import require_step_up
from accounts.models import User


def may_operate(request: HttpRequest) -> bool:
    """Whether this session may operate the installation: staff, and with a second factor."""
    return _is_staff(request) and not lacks_second_factor(request)


def lacks_second_factor(request: HttpRequest) -> bool:
    """Whether a second factor is all that keeps this person from the operator's pages."""
    if not settings.STAFF_SECOND_FACTOR or not _is_staff(request):
        return False
    return not has_second_factor(cast(User, request.user))


def _is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_staff", False))


OTHER = "Everything else"
LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
View = TypeVar("View", bound=Callable[..., Any])


class OperatorSite(AdminSite):
    """Django's admin without a sign-in of its own. Operators come in by ours, with its limits and its second factor."""

    site_header = "Halyard, for the operator"
    site_title = "Halyard"
    # What an operator comes for, and what is found there; given by the tables.
    tasks: ClassVar[dict[str, str]] = {}
    index_title = "What do you come for?"

    def has_permission(self, request: HttpRequest) -> bool:
        return may_operate(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Looking takes an operator; changing anything takes a fresh proof as well."""

        @functools.wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method not in LOOKS:
                require_step_up(request)
            return view(request, *args, **kwargs)

        return cast(View, super().admin_view(asked, cacheable))

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send strangers to the front door; refuse whoever is signed in and no operator."""
        if may_operate(request):
            return redirect("admin:index")
        if lacks_second_factor(request):
            messages.warning(
                request,
                "The operator's pages need two-step sign-in. Set it up here, then open them again.",
            )
            return redirect("mfa_index")
        if request.user.is_authenticated:
            raise PermissionDenied("These pages are the operator's. Sign in with an operator's account to see them.")
        return redirect_to_login(_next_page(request))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables by task; by app only on the page of an app."""
        apps: list[Any] = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        tables: dict[str, list[Any]] = {}
        for app in apps:
            for table in app["models"]:
                shown = self._registry[table["model"]]
                row = {**table, "name": getattr(shown, "shown_as", table["name"])}
                tables.setdefault(getattr(shown, "task", OTHER), []).append(row)
        return [
            {
                "name": task,
                "app_label": f"task-{number}",
                "app_url": f"{reverse('admin:index')}#task-{number}",
                "says": says,
                "has_module_perms": True,
                "models": sorted(tables[task], key=lambda row: str(row["name"])),
            }
            for number, (task, says) in enumerate({**self.tasks, OTHER: ""}.items(), start=1)
            if task in tables
        ]

    def get_urls(self) -> list[Any]:
        """Django's pages, with our own way out and our own change of passwords, which has limits, in front of theirs."""
        ours = {
            "logout/": ("account_logout", "logout"),
            "password_change/": ("account_change_password", "password_change"),
        }
        redirections = [
            path(place, RedirectView.as_view(pattern_name=pattern), name=name)
            for place, (pattern, name) in ours.items()
        ]
        return [*redirections, *super().get_urls()]


def _next_page(request: HttpRequest) -> str:
    """The operator's page that a stranger asked for; the overview when the address leads elsewhere."""
    page, home = request.GET.get("next", ""), reverse("admin:index")
    return page if page.startswith(home) else home
