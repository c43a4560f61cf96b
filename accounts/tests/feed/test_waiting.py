"""What waits to be pushed: whose turn it is, and how much may wait."""

from __future__ import annotations

from accounts.feed.pushes import ROUND
from accounts.feed.waiting import GATHER_SECONDS, MOST_OF_A_TEAM, Audience, Waiting

A, B = Audience("team.1", 1), Audience("team.2", 2)


def row() -> str:
    return "row"


def shown(waiting: Waiting, now: float) -> list[tuple[str, str]]:
    """What is due, rendered."""
    return [(key, push.work() if callable(push.work) else "") for _, key, push in waiting.take(now, ROUND)]


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
    assert shown(waiting, 0.03) == [("hot", "last"), ("other", "row")]


def test_the_first_change_of_a_row_leaves_at_once_and_what_follows_is_gathered() -> None:
    waiting = Waiting()
    waiting.add(A, "order.1", lambda: "submitted", 0.0)
    assert shown(waiting, 0.0) == [("order.1", "submitted")]
    for at, status in ((0.01, "accepted"), (0.02, "partly filled"), (0.03, "filled")):
        waiting.add(A, "order.1", lambda status=status: status, at)  # type: ignore[misc]
        assert shown(waiting, at) == []
    assert waiting.first_due() == GATHER_SECONDS
    assert shown(waiting, GATHER_SECONDS) == [("order.1", "filled")]
    # What was shown again rests again; after that a change is the first one.
    waiting.add(A, "order.1", lambda: "a fee", GATHER_SECONDS + 0.01)
    assert shown(waiting, GATHER_SECONDS + 0.01) == []
    assert shown(waiting, 2 * GATHER_SECONDS) == [("order.1", "a fee")]
    waiting.add(A, "order.1", row, 3 * GATHER_SECONDS)
    assert shown(waiting, 3 * GATHER_SECONDS) == [("order.1", "row")]


def test_a_row_that_rests_holds_up_no_other_row_and_no_other_team() -> None:
    waiting = Waiting()
    waiting.add(A, "order.1", row, 0.0)
    assert len(shown(waiting, 0.0)) == 1
    for audience, key in ((A, "order.1"), (A, "order.2"), (B, "order.1")):
        waiting.add(audience, key, row, 0.01)
    assert [(audience, key) for audience, key, _ in waiting.take(0.01, ROUND)] == [(A, "order.2"), (B, "order.1")]


def test_a_message_waits_for_nothing() -> None:
    waiting, goodbye = Waiting(), {"type": "feed.leave", "user_id": 4}
    for at in (0.0, 0.01):
        waiting.add(A, "left", goodbye, at)
        assert [key for _, key, _ in waiting.take(at, ROUND)] == ["left"]


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
