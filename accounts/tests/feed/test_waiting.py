"""What waits to be pushed: whose turn it is, and how much may wait."""

from __future__ import annotations

from accounts.feed.waiting import (
    A_SECOND,
    AT_ONCE,
    GATHER_SECONDS,
    GIVES_WAY_SECONDS,
    MOST_OF_A_TEAM,
    REST_SECONDS,
    Audience,
    Taken,
    Waiting,
)
from accounts.turns import LATELY_SECONDS

A, B = Audience("team.1", 1), Audience("team.2", 2)


def row() -> str:
    return "row"


def due(waiting: Waiting, now: float, most: int = 1000) -> list[Taken]:
    """The rows and messages that are due, at most so many."""
    found: list[Taken] = []
    while len(found) < most and (taken := waiting.take(now)) is not None:
        found.append(taken)
    return found


def shown(waiting: Waiting, now: float) -> list[tuple[str, str]]:
    """What is due, rendered."""
    return [(key, push.work() if callable(push.work) else "") for _, key, push in due(waiting, now)]


def add(waiting: Waiting, rows: int, now: float, audience: Audience = A) -> None:
    for number in range(rows):
        waiting.add(audience, f"order.{now}.{number}", row, now)


def taken(waiting: Waiting, now: float) -> dict[Audience, int]:
    """How many of each audience are due, all of them taken."""
    counts: dict[Audience, int] = {}
    for audience, _, _ in due(waiting, now):
        counts[audience] = counts.get(audience, 0) + 1
    return counts


def flooded(now: float = 0.0) -> Waiting:
    """A team has just had all the rows that it may have at once beside another one, and one more."""
    waiting = Waiting()
    waiting.add(B, "order.1", row, now)
    add(waiting, AT_ONCE + 1, now)
    assert taken(waiting, now) == {A: AT_ONCE + 1, B: 1}
    return waiting


def test_rows_beyond_what_a_team_may_show_rest_and_nobody_elses() -> None:
    waiting = flooded()
    add(waiting, 1, 0.1)
    add(waiting, 1, 0.1, B)
    assert taken(waiting, 0.1) == {B: 1}
    assert waiting.first_due() == REST_SECONDS
    assert taken(waiting, REST_SECONDS) == {A: 1}


def test_where_more_has_come_than_a_rest_allows_pages_read_again_once_for_each_rest() -> None:
    waiting = flooded()
    for second in range(3):
        add(waiting, int(A_SECOND * REST_SECONDS) + 1, second + 0.5)
        assert (taken(waiting, second + 0.9), waiting.left_out) == ({}, set())
        assert (taken(waiting, second + 1.0), waiting.left_out) == ({}, {A.team_id})
        waiting.left_out.clear()
    assert not waiting
    add(waiting, 1, 3.5)
    assert taken(waiting, 4.0) == {A: 1}, "the flood is over"


def test_a_team_that_is_alone_is_shown_every_row() -> None:
    waiting = Waiting()
    waiting.add(B, "order.1", row, 0.0)
    assert taken(waiting, 0.0) == {B: 1}
    for tenth in range(10):
        now = LATELY_SECONDS + tenth / 10
        add(waiting, AT_ONCE, now)
        assert taken(waiting, now) == {A: AT_ONCE}


def test_a_message_rests_for_nobody() -> None:
    waiting = flooded()
    waiting.add(A, "left", {"type": "feed.leave", "user_id": 4}, 0.1)
    assert taken(waiting, 0.1) == {A: 1}


def test_a_flood_that_never_ends_keeps_another_team_waiting_for_one_row_of_its_own() -> None:
    waiting, now, number = Waiting(), 0.0, 0
    for number in range(MOST_OF_A_TEAM):
        waiting.add(A, f"order.{number}", row, now)
    waiting.add(B, "order.1", row, now)
    served: list[Audience] = []
    while B not in served:
        now += 1.0
        served += [audience for audience, _, _ in due(waiting, now, 1)]
        number += 1
        waiting.add(A, f"order.{number}", row, now)
    assert served.index(B) <= 1


def test_each_audience_has_one_before_any_has_a_second_one_and_who_comes_meanwhile_has_its_turn() -> None:
    waiting = Waiting()
    for key in ("order.1", "order.2", "order.3"):
        waiting.add(A, key, row, 0.0)
    assert [audience for audience, _, _ in due(waiting, 0.0, 1)] == [A]
    waiting.add(B, "order.1", row, 0.0)
    assert [audience for audience, _, _ in due(waiting, 0.0)] == [A, B, A], "behind the one whose turn it was"


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
    assert [(audience, key) for audience, key, _ in due(waiting, 0.01)] == [(A, "order.2"), (B, "order.1")]


def test_a_message_waits_for_nothing() -> None:
    waiting, goodbye = Waiting(), {"type": "feed.leave", "user_id": 4}
    for at in (0.0, 0.01):
        waiting.add(A, "left", goodbye, at)
        assert [key for _, key, _ in due(waiting, at)] == ["left"]


def test_too_many_rows_of_a_team_are_left_out_as_a_whole_and_its_messages_are_not() -> None:
    waiting = Waiting()
    waiting.add(A, "left", {"type": "feed.leave", "user_id": 4}, 0.0)
    add(waiting, MOST_OF_A_TEAM - 1, 0.0)
    assert waiting.left_out == set()
    waiting.add(A, "one.more", row, 0.0)
    assert waiting.left_out == {A.team_id}
    assert [key for _, key, _ in due(waiting, 1.0)] == ["left"]
    assert not waiting


def costly(waiting: Waiting, now: float) -> str | None:
    """The key of what costs more and whose turn it is."""
    taken = waiting.take_costly(now)
    return None if taken is None else taken.key


def test_one_key_that_pauses_does_not_hold_the_rows_behind_it() -> None:
    waiting = Waiting()
    waiting.add(A, "needs", row, 0.0, pause=5.0)
    assert costly(waiting, 0.1) == "needs"
    waiting.add(A, "needs", row, 0.2, pause=5.0)
    waiting.add(A, "order.1", row, 0.2)
    assert [key for _, key, _ in due(waiting, 1.0)] == ["order.1"]
    assert (costly(waiting, 1.0), waiting.first_costly(1.0)) == (None, 5.1)
    assert costly(waiting, 5.1) == "needs"


def test_rows_and_what_costs_more_are_taken_by_two_and_a_row_goes_first() -> None:
    waiting = Waiting()
    waiting.add(A, "needs", row, 0.0, pause=0.5)
    waiting.add(A, "account.1", row, 0.0, pause=0.5)
    waiting.add(A, "order.1", row, 0.0)
    waiting.add(B, "account.2", row, 0.0, pause=0.5)
    assert (costly(waiting, 0.0), waiting.first_due(), waiting.first_costly(0.0)) == (None, 0.0, GIVES_WAY_SECONDS)
    assert [key for key, _ in shown(waiting, 0.0)] == ["order.1"]
    assert (waiting.first_due(), waiting.first_costly(0.0)) == (None, 0.0)
    # One of each audience in turn, here too: the last row was of the first one.
    assert [costly(waiting, 0.0) for _ in range(4)] == ["account.2", "needs", "account.1", None]


def test_what_costs_more_does_not_wait_for_ever() -> None:
    waiting = Waiting()
    waiting.add(A, "needs", row, 0.0, pause=0.5)
    waiting.add(A, "order.1", row, 0.0)
    assert costly(waiting, GIVES_WAY_SECONDS - 0.01) is None
    assert costly(waiting, GIVES_WAY_SECONDS) == "needs"
    assert [key for key, _ in shown(waiting, GIVES_WAY_SECONDS)] == ["order.1"]


def test_where_nobody_looks_what_is_due_is_left_out_at_once_and_nothing_is_missing() -> None:
    waiting, goodbye = Waiting(), {"type": "feed.leave", "user_id": 4}
    waiting.add(A, "order.1", row, 0.0)
    assert len(shown(waiting, 0.0)) == 1
    for key in ("order.1", "order.2", "order.3"):
        waiting.add(A, key, row, 0.01)
    waiting.add(A, "left", goodbye, 0.01)
    waiting.add(B, "order.1", row, 0.01)
    waiting.nobody_looks(A, 0.01)
    waiting.add(A, "order.4", row, 0.02)
    assert [(audience, key) for audience, key, _ in due(waiting, 0.02)] == [(A, "left"), (B, "order.1")]
    assert [key for _, key, _ in due(waiting, GATHER_SECONDS + 0.01)] == ["order.1", "order.4"], "shown a moment before"
    assert waiting.left_out == set()
