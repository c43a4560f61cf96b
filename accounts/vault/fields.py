"""A column of secrets: encrypted in the database, and opened only by whoever says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from accounts.vault import keys


@dataclass(frozen=True, slots=True)
class Sealed:
    """Secrets by name, encrypted. Neither a repr, a log nor a page shows them."""

    token: bytes = b""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Sealed:
        """Seal these values; none at all need no key."""
        return cls(keys.seal(json.dumps(dict(values)).encode())) if values else cls()

    def open(self) -> dict[str, str]:
        """The values; VaultError when none of our keys fits."""
        if not self.token:
            return {}
        values: dict[str, str] = json.loads(keys.unseal(self.token))
        return values

    def __repr__(self) -> str:
        return "Sealed(...)" if self.token else "Sealed()"

    def __bool__(self) -> bool:
        return bool(self.token)


class SealedField(models.BinaryField):  # type: ignore[type-arg]
    """Holds a `Sealed`. Reading a row decrypts nothing: a lost key must not close the pages that show its other columns."""

    def from_db_value(self, value: bytes | memoryview | None, expression: Any, connection: Any) -> Sealed:
        return Sealed(bytes(value or b""))

    def get_prep_value(self, value: Any) -> bytes:
        # Nothing but a Sealed gets in, so that no secret is ever stored as it is.
        if not isinstance(value, Sealed):
            raise TypeError(f"{self.name} takes secrets sealed with Sealed.of(...) only.")
        return value.token

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(value if prepared else self.get_prep_value(value), connection, True)

    def value_to_string(self, obj: models.Model) -> str:
        return "sealed"
