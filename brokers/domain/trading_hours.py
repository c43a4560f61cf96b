"""When one contract trades, by the broker's own word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# From when until when, in seconds since 1970.
Session = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours:
    """The sessions of some days around the one they were asked for on, soonest first; `extended` holds the regular ones,
    too. Nothing is known before `as_of`, when the broker said so, or the first of them, and after the last of them."""

    regular: tuple[Session, ...] = ()
    extended: tuple[Session, ...] = ()
    # In seconds since 1970; sessions of the days to come are listed without a gap.
    as_of: int | None = None

    def is_open(self, at: datetime, *, extended: bool = False) -> bool | None:
        """Whether a regular session, or with `extended` any session, is open; None where the broker does not say."""
        sessions, second = self._sessions(extended=extended), at.timestamp()
        if not sessions or not self.covers(at):
            return None
        return any(opens <= second < closes for opens, closes in sessions)

    def opens_after(self, at: datetime, *, extended: bool = False) -> datetime | None:
        """When the next session begins; None where the broker lists none."""
        second = at.timestamp()
        begins = (opens for opens, _ in self._sessions(extended=extended) if opens > second)
        return next((datetime.fromtimestamp(opens, UTC) for opens in begins), None)

    def covers(self, at: datetime) -> bool:
        """Whether a moment is among the days that are listed."""
        every = (*self.regular, *self.extended)
        if not every:
            return False
        begins = min(every)[0] if self.as_of is None else min(min(every)[0], self.as_of)
        return begins <= at.timestamp() < max(closes for _, closes in every)

    def _sessions(self, *, extended: bool) -> tuple[Session, ...]:
        return (self.extended or self.regular) if extended else self.regular

    def as_json(self) -> dict[str, Any]:
        """For a row."""
        regular, extended = ([list(each) for each in sessions] for sessions in (self.regular, self.extended))
        return {"regular": regular, "extended": extended, "as_of": self.as_of}

    @classmethod
    def from_json(cls, row: dict[str, Any] | None) -> TradingHours | None:
        """As `as_json` wrote it."""
        if not row:
            return None
        return cls(regular=_sessions(row["regular"]), extended=_sessions(row["extended"]), as_of=row["as_of"])


def _sessions(rows: Sequence[Sequence[int]]) -> tuple[Session, ...]:
    return tuple((int(opens), int(closes)) for opens, closes in rows)
