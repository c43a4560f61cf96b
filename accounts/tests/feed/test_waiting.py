"""What waits to be pushed: whose turn it is, and how much may wait."""

from __future__ import annotations

from accounts.feed.pushes import ROUND
from accounts.feed.waiting import GATHER_SECONDS, MOST_OF_A_TEAM, Audience, Waiting

A, B = Audience("team.1", 1), Audience("team.2", 2)


def row() -> str:
    return "row"


def test_a_flood_that_never_ends_keeps_another_team_waiting_for_one_row_of_its_own() -> None:
    waiting, now, number = Waiting(), 0.0, 0
    for number in range(MOST_OF_A_TEAM):
        waiting.add(A, f"order.{number}", row, now)
    waiting.add(B, "order.1", row, now)
    served: list[Audience] = []
    while B not in served:
        now += 1.0
        taken = waiting.take(now, 4)
        served += [audience for audience, _, _ in taken]
        for _ in taken:
            number += 1
            waiting.add(A, f"order.{number}", row, now)
    assert served.index(B) <= 1


def test_a_round_that_ends_within_a_turn_goes_on_with_the_next_team() -> None:
    waiting, audiences = Waiting(), [Audience(f"team.{number}", number) for number in range(2 * ROUND)]
    for audience in audiences:
        for key in ("order.1", "order.2"):
            waiting.add(audience, key, row, 0.0)
    first = [audience for audience, _, _ in waiting.take(1.0, ROUND)]
    second = [audience for audience, _, _ in waiting.take(1.0, ROUND)]
    assert first + second == audiences


def test_what_changes_all_the_time_keeps_its_place_and_shows_its_last_state() -> None:
    waiting = Waiting()
    waiting.add(A, "hot", lambda: "first", 0.0)
    waiting.add(A, "other", row, 0.01)
    waiting.add(A, "hot", lambda: "last", 0.03)
    (_, key, push), _ = waiting.take(GATHER_SECONDS + 0.01, ROUND)
    assert (key, push.work() if callable(push.work) else None) == ("hot", "last")


def test_too_many_rows_of_a_team_are_left_out_as_a_whole_and_its_messages_are_not() -> None:
    waiting = Waiting()
    waiting.add(A, "left", {"type": "feed.leave", "user_id": 4}, 0.0)
    added = [waiting.add(A, f"order.{number}", row, 0.0) for number in range(MOST_OF_A_TEAM)]
    assert added == [True] * (MOST_OF_A_TEAM - 1) + [False]
    assert [key for _, key, _ in waiting.take(1.0, 1000)] == ["left"]
    assert not waiting


def test_one_key_that_pauses_does_not_hold_the_rows_behind_it() -> None:
    waiting = Waiting()
    waiting.add(A, "needs", row, 0.0, pause=5.0)
    assert len(waiting.take(0.1, ROUND)) == 1
    waiting.add(A, "needs", row, 0.2, pause=5.0)
    waiting.add(A, "order.1", row, 0.2)
    assert [key for _, key, _ in waiting.take(1.0, ROUND)] == ["order.1"]
    assert waiting.first_due() == 5.1
    assert [key for _, key, _ in waiting.take(5.1, ROUND)] == ["needs"]
