"""Which of IBKR's questions are confirmed, and the way out of those that are not."""

from __future__ import annotations

import pytest

from brokers.domain.orders import Role
from brokers.domain.questions import (
    CONFIRMED,
    KNOWN,
    MESSAGE_ID,
    SUPPRESSIBLE,
    always_confirmed,
    as_declined,
    is_confirmed,
    way_out,
)


@pytest.mark.parametrize(
    ("ids", "role", "allowed", "confirmed"),
    [
        (("o354",), Role.ENTRY, False, True),
        (("o383",), Role.EXIT, False, False),
        (("o383",), Role.EXIT, True, True),
        (("o451", "o354"), Role.STOP_LOSS, True, True),
        (("o163",), Role.TAKE_PROFIT, True, True),
        (("o383",), Role.ENTRY, True, False),
        (("o383", "o99999"), Role.EXIT, True, False),
        (("o2137",), Role.EXIT, True, False),
        ((), Role.EXIT, True, False),
    ],
)
def test_a_question_is_confirmed_by_its_id_alone(
    ids: tuple[str, ...], role: Role, allowed: bool, confirmed: bool
) -> None:
    assert is_confirmed(ids, role, confirms_exits=allowed) is confirmed


def test_the_way_out_names_the_setting() -> None:
    assert way_out(("o451",), Role.ENTRY) == (
        "Raise the Total Value Limit in TWS (Global Configuration, Presets, Precautionary Settings) with this IBKR user."
    )
    assert way_out(("o383",), Role.EXIT).endswith("or switch on confirming for exits at the connection.")
    assert way_out((), Role.EXIT) == "Place it in TWS if it is wanted."


def test_a_long_question_leaves_room_for_the_way_out() -> None:
    reason = f"Not confirmed: {as_declined('Are you sure? ' * 60, ('o383',), Role.EXIT)}"
    assert len(reason) <= 400
    assert reason.endswith("or switch on confirming for exits at the connection.")


@pytest.mark.parametrize(
    ("ids", "chosen", "role", "confirmed"),
    [
        (("o383",), {"o383": True}, Role.ENTRY, True),
        (("o383", "o451"), {"o383": True}, Role.ENTRY, False),
        (("o354",), {"o354": False}, Role.ENTRY, False),
        (("o383",), {"o383": False}, Role.EXIT, False),
        (("o99999",), {"o99999": True}, Role.ENTRY, True),
        (("o99999",), {}, Role.ENTRY, False),
        ((), {"o354": True}, Role.ENTRY, False),
    ],
)
def test_a_teams_own_answer_counts_before_ours(
    ids: tuple[str, ...], chosen: dict[str, bool], role: Role, confirmed: bool
) -> None:
    assert is_confirmed(ids, role, confirms_exits=role is Role.EXIT, chosen=chosen) is confirmed


@pytest.mark.parametrize(
    "text",
    [
        "Would you like to cancel all open orders and then place new closing order?",
        "Cancel all your working orders first?",
        "cancel ALL  orders?",
    ],
)
def test_orders_of_others_are_never_canceled_whatever_a_team_chose(text: str) -> None:
    assert not is_confirmed(("o354",), Role.EXIT, confirms_exits=True, chosen={"o354": True}, text=text)


def test_every_known_question_says_what_a_yes_may_cost() -> None:
    assert len({each.message_id for each in KNOWN}) == len(KNOWN)
    assert {each.message_id for each in KNOWN if each.confirmed} == CONFIRMED
    assert all(each.risk.endswith(".") and each.about and MESSAGE_ID.fullmatch(each.message_id) for each in KNOWN)


def test_only_what_is_a_yes_for_every_order_and_has_a_fixed_meaning_may_stay_unasked() -> None:
    assert set(always_confirmed({})) == CONFIRMED
    # For ways out alone a yes is not enough, and prompts and unknown questions are always asked.
    answers = {"o383": True, "o354": False, "p12": True, "o99999": True, "o10333": True}
    assert set(always_confirmed(answers)) == CONFIRMED - {"o354"} | {"o383", "o10333"}
    assert len(SUPPRESSIBLE) == len(set(SUPPRESSIBLE)) <= 51
