"""Every address of the installation, except webhooks and sockets (config/asgi.py)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import DefaultRouter

import accounts.api.record
import brokers.api.rest
import strategies.api.rest
from accounts.pages.sign_in import ChangedPassword, FirstPassword, RecoveryCodes, RecoveryCodesFile, email_addresses
from config import health, installable


class Generator(SchemaGenerator):
    """The description of the API, made once: it changes with the code only, and takes a second to make."""

    made: ClassVar[dict[bool, Any]] = {}

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        if public not in self.made:
            self.made[public] = super().get_schema(request, public)  # type: ignore[no-untyped-call]
        return self.made[public]


api = DefaultRouter(use_regex_path=False)
api.include_format_suffixes = False
_rows: dict[str, Any] = {**strategies.api.rest.VIEWSETS, **brokers.api.rest.VIEWSETS, **accounts.api.record.VIEWSETS}
for name, viewset in _rows.items():
    api.register(name, viewset, basename=f"api-{name}")


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Ask search engines to stay away."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")


@login_not_required
@csrf_exempt
def api_not_found(request: HttpRequest) -> JsonResponse:
    """Answer 404 in JSON below /api/."""
    message = "The API has nothing at this address. Its description is at /api/v1/schema/."
    return JsonResponse({"code": "not-found", "message": message}, status=404)


favicon = login_not_required(RedirectView.as_view(url=static("img/favicon.svg"), permanent=False))

handler400 = "accounts.pages.errors.bad_request"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("robots.txt", robots),
    path("favicon.ico", favicon),
    path("manifest.webmanifest", installable.manifest, name="manifest"),
    path("service-worker.js", installable.service_worker, name="service_worker"),
    path("offline/", installable.offline, name="offline"),
    path("admin/", admin.site.urls),
    path("accounts/email/", email_addresses, name="account_email"),
    path("accounts/password/change/", ChangedPassword.as_view(), name="account_change_password"),
    path("accounts/password/set/", FirstPassword.as_view(), name="account_set_password"),
    path("accounts/2fa/recovery-codes/", RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path("accounts/2fa/recovery-codes/download/", RecoveryCodesFile.as_view(), name="mfa_download_recovery_codes"),
    path("accounts/", include("allauth.urls")),
    path("api/v1/schema/", SpectacularAPIView.as_view(generator_class=Generator), name="api-schema"),
    path("api/v1/", include(api.urls)),
    # Only with a slash at its end, so that a forgotten one is put right first.
    re_path(r"^api/(?:.*/)?$", api_not_found),
    path("", include("accounts.urls")),
    path("", include("brokers.urls")),
    path("", include("strategies.urls")),
]
