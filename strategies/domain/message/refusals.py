"""Why a delivery is not taken: a status, a stable code and one sentence that helps."""

from __future__ import annotations


class Refused(Exception):
    """A refusal as the sender receives it: HTTP status, stable code, sentence, and the field to change.

    `hint` shows the corrected form where there is one; `retry_after` is in seconds.
    """

    def __init__(
        self, status: int, code: str, message: str, *, field: str = "", hint: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint
        self.retry_after = retry_after

    def __repr__(self) -> str:
        return f"Refused({self.status}, {self.code!r})"


def invalid(code: str, message: str, *, field: str = "", hint: str = "") -> Refused:
    """A 400: the sender must change something."""
    return Refused(400, code, message, field=field, hint=hint)
