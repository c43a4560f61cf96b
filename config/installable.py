"""Halyard as an app on a phone or a desktop: its manifest, its service worker, and the page without a network."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

# The desk of the dark theme (static/css/tokens.css), as all browsers read colours.
DARK = "#0b0f15"
_ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-maskable-512.png", "512x512", "maskable"),
)


@login_not_required
@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    """What a browser installs: https://www.w3.org/TR/appmanifest/."""
    return JsonResponse(
        {
            "id": "/",
            "name": "Halyard",
            "short_name": "Halyard",
            "description": "Trading signals into Interactive Brokers orders.",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": DARK,
            "theme_color": DARK,
            "icons": [
                {"src": static(f"img/{name}"), "sizes": sizes, "type": "image/png", "purpose": purpose}
                for name, sizes, purpose in _ICONS
            ],
        },
        content_type="application/manifest+json",
    )


@login_not_required
@require_safe
@never_cache
def service_worker(request: HttpRequest) -> HttpResponse:
    """The worker of all pages: a worker serves what lies below its own address, so it stands at the root."""
    return render(request, "service-worker.js", content_type="text/javascript")


@login_not_required
@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What is shown without a network where no page is kept. The same for everybody."""
    return render(request, "offline.html")
