"""The DRF door as an ASGI application, all of Django's middleware around it."""

from __future__ import annotations

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.drf.settings"

from django.core.asgi import get_asgi_application

application = get_asgi_application()
