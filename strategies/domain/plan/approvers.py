"""Whose approval a plan needs: that of anybody who may, of somebody who did not set it up, or of two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from brokers.domain.sentences import all_of

_REMEDY = "An owner can make somebody else an approver, or ask for less on the team's page; until then it can only be declined."


class Policy(StrEnum):
    """What a team asks for."""

    ANYBODY = "anybody"
    ANOTHER = "another"
    TWO = "two"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One person's approval, of `quantity` or, where that is None, of the whole plan."""

    person: int | None
    name: str
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an approval cannot count: a sentence for people, and a stable word for programs."""

    sentence: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Those who may approve in the team, those who set the subscription up, and what was approved so far.

    People are keys with names. `reduces`: the plan opens nothing. Where the team has too few people for its own policy,
    one approval is enough for such a plan: nobody stays in a position because nobody else is there.
    """

    policy: Policy
    approvers: Mapping[int, str]
    setters: Mapping[int, str]
    words: Sequence[Word] = ()
    reduces: bool = False

    @property
    def has_too_few(self) -> bool:
        """Whether the team cannot do what it asks for."""
        if self.policy is Policy.ANYBODY:
            return False
        if self.policy is Policy.TWO:
            return len(self.approvers) < 2
        return not self._others()

    @property
    def is_lenient(self) -> bool:
        """Whether one approval is enough, since nobody else is there and the plan only reduces."""
        return self.has_too_few and self.reduces

    @property
    def counting(self) -> list[Word]:
        """The approvals that count: of people who may still approve."""
        return [word for word in self.words if word.person in self._eligible()]

    @property
    def missing(self) -> int:
        """How many more people have to approve."""
        needed = 2 if self.policy is Policy.TWO and not self.is_lenient else 1
        return max(needed - len(self.counting), 0)

    @property
    def quantity(self) -> Decimal | None:
        """How much is approved: the least of what counts; None for the whole plan."""
        return min((word.quantity for word in self.counting if word.quantity is not None), default=None)

    def joined_by(self, word: Word) -> Panel:
        """The panel after one more approval."""
        return replace(self, words=(*self.words, word))

    def has_word_of(self, person: int) -> bool:
        return any(word.person == person for word in self.words)

    def obstacle(self, person: int | None) -> Obstacle | None:
        """Why this person cannot approve now; None where they can."""
        if person not in self.approvers:
            sentence = "You may not approve in this team any more. Ask an owner of the team for the role of approver."
            return Obstacle(sentence, "not-an-approver")
        if (shortage := self.shortage()) is not None:
            return shortage
        if person not in self._eligible():
            sentence = (
                "You set this subscription up, and this team asks somebody else to approve. You may still decline it."
            )
            return Obstacle(sentence, "set-up-by-approver")
        if self.missing and self.has_word_of(person):
            sentence = (
                "You have approved this already, and somebody else has to approve it too. You may still decline it."
            )
            return Obstacle(sentence, "approved-already")
        return None

    def shortage(self) -> Obstacle | None:
        """Why nobody can approve: the team has fewer people for it than it asks for."""
        if not self.has_too_few or self.is_lenient:
            return None
        if self.policy is Policy.TWO:
            number = {0: "none"}.get(len(self.approvers), "only one")
            return Obstacle(
                f"Two people have to approve this, and {number} of the team may. {_REMEDY}", "too-few-approvers"
            )
        sentence = (
            f"Nobody but who set this subscription up may approve, and this team asks for somebody else. {_REMEDY}"
        )
        return Obstacle(sentence, "too-few-approvers")

    def what_is_missing(self) -> str:
        """What is missing, for everybody who looks; empty where anybody's approval is enough."""
        if (shortage := self.shortage()) is not None:
            return shortage.sentence
        if self.is_lenient:
            return "Nobody else is there to approve, and it only reduces a position: one approval is enough."
        if self.words and not self.missing:
            return "It has the approvals it needs now: whoever approves next sends it."
        if self.policy is Policy.ANOTHER:
            return (
                f"Set up by {all_of(sorted(self.setters.values()))}: somebody else has to approve it."
                if (self.setters)
                else ""
            )
        if self.policy is Policy.TWO:
            return "One more person has to approve it." if self.counting else "Two people have to approve it."
        return ""

    def _others(self) -> set[int]:
        return set(self.approvers) - set(self.setters)

    def _eligible(self) -> set[int]:
        return self._others() if self.policy is Policy.ANOTHER and not self.is_lenient else set(self.approvers)
