"""Who may approve a plan, by what the team asks for: a decision of values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from strategies.domain.plan.approvers import Panel, Policy, Word

ALICE, BOB, CAROL = 1, 2, 3
NAMES = {ALICE: "alice", BOB: "bob", CAROL: "carol"}


def panel(
    policy: Policy, approvers: str = "alice bob", setters: str = "alice", words: str = "", **facts: bool
) -> Panel:
    """A panel of people by their names; a word is a name, with a quantity behind a colon where it is less."""
    keys = {name: key for key, name in NAMES.items()}

    def people(names: str) -> dict[int, str]:
        return {keys[name]: name for name in names.split()}

    spoken = []
    for word in words.split():
        name, _, quantity = word.partition(":")
        spoken.append(Word(person=keys[name], name=name, quantity=Decimal(quantity) if quantity else None))
    return Panel(policy=policy, approvers=people(approvers), setters=people(setters), words=spoken, **facts)


def code(of: Panel, person: int) -> str:
    obstacle = of.obstacle(person)
    return obstacle.code if obstacle else ""


@pytest.mark.parametrize(
    ("of", "person", "expected"),
    [
        (panel(Policy.ANYBODY), ALICE, ""),
        (panel(Policy.ANYBODY, "alice"), ALICE, ""),
        (panel(Policy.ANYBODY, "bob"), ALICE, "not-an-approver"),
        (panel(Policy.ANOTHER), ALICE, "set-up-by-approver"),
        (panel(Policy.ANOTHER), BOB, ""),
        (panel(Policy.ANOTHER, setters=""), ALICE, ""),
        (panel(Policy.ANOTHER, setters="alice bob"), BOB, "too-few-approvers"),
        (panel(Policy.ANOTHER, "alice"), ALICE, "too-few-approvers"),
        (panel(Policy.ANOTHER, "alice", reduces=True), ALICE, ""),
        (panel(Policy.ANOTHER, reduces=True), ALICE, "set-up-by-approver"),
        (panel(Policy.TWO), ALICE, ""),
        (panel(Policy.TWO, words="alice"), ALICE, "approved-already"),
        (panel(Policy.TWO, words="alice"), BOB, ""),
        (panel(Policy.TWO, "alice"), ALICE, "too-few-approvers"),
        (panel(Policy.TWO, "alice", reduces=True), ALICE, ""),
        (panel(Policy.TWO, "bob", words="alice"), BOB, "too-few-approvers"),
        # The policy has changed since: what was approved counts for the new one, or it does not.
        (panel(Policy.ANYBODY, words="alice"), ALICE, ""),
        (panel(Policy.ANOTHER, words="alice"), BOB, ""),
    ],
)
def test_who_may_approve_now(of: Panel, person: int, expected: str) -> None:
    assert code(of, person) == expected


@pytest.mark.parametrize(
    ("of", "missing", "quantity"),
    [
        (panel(Policy.ANYBODY), 1, None),
        (panel(Policy.ANYBODY, words="bob"), 0, None),
        (panel(Policy.ANOTHER, words="bob:4"), 0, 4),
        (panel(Policy.ANOTHER, words="alice:4"), 1, None),
        (panel(Policy.TWO), 2, None),
        (panel(Policy.TWO, words="alice:4"), 1, 4),
        (panel(Policy.TWO, words="alice:4 bob"), 0, 4),
        (panel(Policy.TWO, words="alice bob:3"), 0, 3),
        (panel(Policy.TWO, words="alice:4 bob:3"), 0, 3),
        (panel(Policy.TWO, words="alice:3 bob:4"), 0, 3),
        (panel(Policy.TWO, "bob carol", words="alice:1 bob"), 1, None),
        (panel(Policy.TWO, "alice", words="alice", reduces=True), 0, None),
    ],
)
def test_how_many_are_missing_and_how_much_is_approved(of: Panel, missing: int, quantity: int | None) -> None:
    assert (of.missing, of.quantity) == (missing, quantity)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (panel(Policy.ANYBODY), ""),
        (panel(Policy.ANYBODY, words="bob"), "It has the approvals it needs now: whoever approves next sends it."),
        (panel(Policy.ANOTHER), "Set up by alice: somebody else has to approve it."),
        (panel(Policy.ANOTHER, setters=""), ""),
        (panel(Policy.ANOTHER, "alice bob carol", "bob alice"), "Set up by alice and bob: somebody else"),
        (panel(Policy.TWO), "Two people have to approve it."),
        (panel(Policy.TWO, words="bob"), "One more person has to approve it."),
        (panel(Policy.TWO, "alice"), "Two people have to approve this, and only one of the team may."),
        (panel(Policy.TWO, ""), "Two people have to approve this, and none of the team may."),
        (panel(Policy.ANOTHER, "alice"), "Nobody but who set this subscription up may approve"),
        (panel(Policy.TWO, "alice", reduces=True), "Nobody else is there to approve, and it only reduces a position"),
    ],
)
def test_what_is_missing_is_a_sentence(of: Panel, words: str) -> None:
    assert of.what_is_missing().startswith(words)
    assert bool(of.what_is_missing()) == bool(words)
    assert (of.shortage() is not None) == (of.has_too_few and not of.reduces)


def test_every_policy_of_a_team_is_decided_by() -> None:
    from accounts.models import ApprovalPolicy

    assert [str(policy) for policy in Policy] == ApprovalPolicy.values
