"""How the OpenAPI description shows our lists: with the filters that each of them takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter


class WithFilters(AutoSchema):
    """Names the filters of a list as parameters of its query."""

    def get_override_parameters(self) -> list[Any]:
        filters = getattr(self.view, "filters", {}) if getattr(self.view, "action", "") == "list" else {}
        return [OpenApiParameter(name, str, OpenApiParameter.QUERY) for name in filters]
