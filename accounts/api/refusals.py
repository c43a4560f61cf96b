"""Refusals of the REST API: a status, a stable code, a sentence and, where one is at fault, a parameter."""

from __future__ import annotations

import logging
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.plans.came_between import CODE, SENTENCE, came_between

log = logging.getLogger(__name__)


class Refused(APIException):
    """400 with a stable code, a sentence, and the name of the parameter at fault."""

    status_code = 400

    def __init__(self, sentence: str, code: str, field: str) -> None:
        super().__init__(sentence, code)
        self.field = field


class Conflict(APIException):
    """409 with a stable code and a sentence: a valid request that is not possible now."""

    status_code = 409

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence, code)


def explain(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal as {code, message, field?}."""
    if came_between(error):
        log.warning("Somebody came between: %s", error)
        error = Conflict(SENTENCE, CODE)
    response = exception_handler(error, context)
    if response is None:
        return None
    codes = error.get_codes() if isinstance(error, APIException) else "not-found"
    code = codes.replace("_", "-") if isinstance(codes, str) else "invalid"
    response.data = {"code": code, "message": str(response.data["detail"])}
    if field := getattr(error, "field", None):
        response.data["field"] = field
    response.data |= getattr(error, "more", {})
    return response
