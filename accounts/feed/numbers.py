"""The numbers of a team's pushes, kept in Valkey: which of two was read later, and whether one is missing.

A push takes its number before it reads the rows, and after the commit that it tells of. So a push
that could miss the last change has a lower number than the push of that change, although several processes send them and
they may arrive in any order. A page shows of each element the highest number, and reads again what it shows where a
number does not arrive.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounts import pulse

# A team that nobody looks at for so long gets numbers by the clock again.
KEPT_SECONDS = 86_400
# Lost numbers must not come back lower: pages would leave out all that follows. So a new count begins at the clock's
# microseconds, which no count reaches; 2**53 of them, all that a page can count to, last until 2255.
_ADVANCE = """
local number = redis.call('GET', KEYS[1])
if not number then
  local now = redis.call('TIME')
  number = now[1] * 1000000 + now[2]
end
number = string.format('%.0f', number + ARGV[1])
redis.call('SET', KEYS[1], number, 'EX', ARGV[2])
return number
"""


def take(team_id: int) -> int:
    """The number of the next push; take it before anything is read. Raises redis.RedisError, as all here do."""
    return _advance(team_id, 1)


def leave_out(team_id: int) -> int:
    """A number behind one that no page will hear: something was lost, and pages read again what they show."""
    return _advance(team_id, 2)


def last(team_id: int) -> int:
    """The number of the team's last push."""
    return _advance(team_id, 0)


def _advance(team_id: int, by: int) -> int:
    # Beside the groups of the same layer: tests with groups of their own have numbers of their own.
    layers: dict[str, Any] = settings.CHANNEL_LAYERS
    prefix = layers["default"]["CONFIG"]["prefix"]
    number = pulse.client().eval(_ADVANCE, 1, f"{prefix}:feed:{team_id}", str(by), str(KEPT_SECONDS))
    assert isinstance(number, bytes)
    return int(number)
