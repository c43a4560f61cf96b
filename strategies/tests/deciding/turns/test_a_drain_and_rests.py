"""The drain while a team rests: it neither ends nor turns round and round, and goes on with the team."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from strategies.domain import rota
from strategies.drain import drain
from strategies.models import Decision, Signal
from strategies.tests.deciding.turns.test_teams_take_turns import followed, signals

REST_SECONDS = 0.4

pytestmark = pytest.mark.django_db(transaction=True)


def resting(self: rota.Rota, turn: rota._Turn, now: float, took: float, *, more: bool) -> None:
    turn.rests_until = now + REST_SECONDS


def test_a_drain_that_would_end_when_idle_goes_on_with_a_team_that_rests(
    team: Team, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rota, "TURNS_AT_ONCE", 0)
    # However slow the machine is, what the flood does is much, and its rest is longer than a wake takes.
    monkeypatch.setattr(rota, "DECISIONS_AT_ONCE", 0)
    monkeypatch.setattr(rota.Rota, "_rest", resting)
    monkeypatch.setattr(rota.Rota, "LATELY_SECONDS", 3600.0)
    now = timezone.now()
    signals(followed(teams.found_team(owner=charlie, name="Others", now=now), now), now, 1)
    # A fast machine doubles the size of the second turn: more is left behind it even so.
    signals(followed(team, now), now, 4 * rota.FIRST_SIZE)
    rested: list[float] = []
    real = rota.Rota.next

    def following(self: rota.Rota, waiting: set[int], at: float) -> int | None:
        found = real(self, waiting, at)
        if self.rests_until is not None and found is None:
            rested.append(self.rests_until)
        return found

    monkeypatch.setattr(rota.Rota, "next", following)
    assert drain(linger=0.0)
    assert not Signal.objects.filter(dispatched_at=None).exists()
    assert Decision.objects.count() == 1 + 4 * rota.FIRST_SIZE
    assert rested, "the flood rested"
    # It waits out a rest, instead of asking again and again: it may be woken by notices, of which there are few.
    assert len(rested) <= 4 * len(set(rested))
