"""What the live book answers about an account and an instrument: a view, what it waits for, or that IBKR does not know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The book cannot show this now; `waiting_for` completes the sentence "waiting for ..."."""

    waiting_for: str
    # Whether IBKR was asked, and its answer alone is waited for.
    on_its_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The broker does not know the instrument; the reason is its sentence, with a stable code."""

    reason: str
    code: str = "unknown-symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A snapshot, and how certain its position is.

    `unsettled` is the signed quantity of fills we heard of since the position was read. The position may or may not
    contain them, so a caller takes a decision only when it would be the same either way.
    `wants` names the currencies whose rates into the account's are on their way: `snapshot.rates` lacks them.
    `unread`: the account's orders and fills were not brought home into this database, so that some may be missing.
    """

    snapshot: Snapshot
    unsettled: Decimal = Decimal(0)
    wants: frozenset[str] = frozenset()
    unread: bool = False

    @property
    def missing_orders(self) -> NotYet | None:
        """What an entry waits for: after a restore of a backup its order may be at IBKR already, and in no row."""
        if not self.unread:
            return None
        return NotYet(
            waiting_for="IBKR's lists of orders and fills, read anew since the database started", on_its_way=True
        )

    @property
    def missing_rate(self) -> NotYet | None:
        """What a decision that cannot do without an exchange rate waits for; None where IBKR has none to give."""
        if not self.wants:
            return None
        return NotYet(
            waiting_for=f"IBKR's rate from {', '.join(sorted(self.wants))} to {self.snapshot.currency}", on_its_way=True
        )

    @property
    def alternatives(self) -> tuple[Snapshot, ...]:
        """The snapshot, and how it would look if the position did not yet contain the fills."""
        if not self.unsettled:
            return (self.snapshot,)
        other = replace(self.snapshot, position=self.snapshot.position + self.unsettled)
        if (legs := self.snapshot.legs) is not None:
            other = replace(other, legs=(legs[0] + self.unsettled, legs[1] - self.unsettled))
        return self.snapshot, other
