"""How much of its limit a webhook has used: counted for a minute, judged for each delivery."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

# Exits and cancels have this part of each limit to themselves.
RESERVE = 3
# Of a flood, so many refusals a minute are written down one by one; the meter counts them all.
MOST_LOGGED = 20
# What to wait for when the hour is full: nobody knows when its minutes will have fallen out.
HOUR_RETRY_SECONDS = 60


@dataclass(slots=True)
class Quota:
    """What one webhook was sent in `minute`, and in the minute and the hour before it; exits are part of `taken`."""

    minute: datetime
    taken: int = 0
    exits: int = 0
    strangers: int = 0
    over: int = 0
    taken_minute_before: int = 0
    taken_hour_before: int = 0
    exits_minute_before: int = 0
    exits_hour_before: int = 0
    # Whose webhook it is.
    team: int = 0

    def admit(self, now: datetime, *, leaves: bool, per_minute: int, per_hour: int) -> int | None:
        """Count a delivery; None when it is within the limit, else the seconds after which to send again.

        The minute before counts for the part of it that is less than a minute ago, so that a burst across the full
        minute does not double the limit.
        """
        self.taken += 1
        self.exits += leaves
        elapsed = min(max((now - self.minute).total_seconds(), 0.0), 60.0)
        left = 1 - elapsed / 60
        minute_load = self.taken + self.taken_minute_before * left
        in_minute = minute_load <= per_minute
        if in_minute and self.taken + self.taken_hour_before <= per_hour:
            return None
        if (
            leaves
            and self.exits + self.exits_minute_before * left <= max(per_minute // RESERVE, 1)
            and self.exits + self.exits_hour_before <= max(per_hour // RESERVE, 1)
        ):
            return None
        self.over += 1
        if in_minute:
            return HOUR_RETRY_SECONDS
        return _seconds_to_wait(elapsed, minute_load, per_minute)

    def worth_writing_down(self, *, stranger: bool) -> bool:
        """Whether the refusal just counted is one of the first of its minute."""
        return (self.strangers if stranger else self.over) <= MOST_LOGGED


@dataclass(slots=True)
class Budget:
    """What all webhooks of a team took together in `minute` and in the minute before; what was refused does not count.

    So that one webhook that is over its own limit uses up nothing of the others'.
    """

    minute: datetime
    taken: int = 0
    exits: int = 0
    taken_minute_before: int = 0
    exits_minute_before: int = 0

    def admit(self, now: datetime, *, leaves: bool, per_minute: int) -> int | None:
        """Count a delivery that is within the budget; else the seconds after which to send again."""
        elapsed = min(max((now - self.minute).total_seconds(), 0.0), 60.0)
        left = 1 - elapsed / 60
        load = self.taken + 1 + self.taken_minute_before * left
        if load > per_minute:
            reserve = max(per_minute // RESERVE, 1)
            if not leaves or self.exits + 1 + self.exits_minute_before * left > reserve:
                return _seconds_to_wait(elapsed, load, per_minute)
        self.taken += 1
        self.exits += leaves
        return None


def _seconds_to_wait(elapsed: float, load: float, per_minute: int) -> int:
    return max(1, math.ceil(60 - elapsed + 60 * max(0.0, 1 - per_minute / load)))
