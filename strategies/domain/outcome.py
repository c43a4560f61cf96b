"""What became of a signal, in one word, one phrase and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.domain.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Outcome:
    """`word` is one of the decision's words, or `received`, `delayed`, `set_aside` and `nobody`; `count` reads "1 of 2"."""

    word: str
    count: str
    sentence: str
    # What else it may be looked for as: of two accounts one may have accepted and one rejected.
    also: tuple[str, ...] = ()
    # What went wrong with the orders afterwards: a signal that was accepted is not green for that alone.
    trouble: Trouble | None = None

    @property
    def badge(self) -> str:
        """The word whose icon and tone it wears."""
        return "troubled" if self.trouble else self.word

    @property
    def label(self) -> str:
        """The word, with what went wrong: "accepted, stop loss rejected"; "" where the word says it all."""
        return f"{self.word}, {self.trouble.phrase}" if self.trouble else ""

    @property
    def tags(self) -> str:
        """Every word of the outcome as a filter of the lists on open pages: "outcome:accepted outcome:rejected"."""
        return " ".join(f"outcome:{word}" for word in dict.fromkeys((self.word, *self.also)) if word)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision, as far as an outcome needs it: its status and the sentence it gives."""

    status: str
    sentence: str


def outcome(
    verdicts: Sequence[Verdict], *, dispatched: bool, note: str = "", delayed: bool = False, is_test: bool = False
) -> Outcome:
    """One outcome of all decisions on a signal; taken by some accounts and rejected by others, it says both."""
    if not verdicts:
        if note:
            return Outcome("set_aside", "", note)
        if not dispatched:
            return _DELAYED if delayed else _RECEIVED
        return _UNFOLLOWED_TEST if is_test else _UNFOLLOWED
    by_word = {word: [each for each in verdicts if each.status == word] for word in _LOUDEST}
    word = next(word for word in _LOUDEST if by_word[word])
    sentences = list(dict.fromkeys(each.sentence for word in _LOUDEST for each in by_word[word] if each.sentence))
    more = f" And {len(sentences) - 1} more." if len(sentences) > 1 else ""
    total = len(verdicts)
    counts = [f"{len(by_word[each])} {_WORDS.get(each, each)}" for each in _LOUDEST if by_word[each]]
    count = f"{total} of {total}" if len(counts) == 1 else ", ".join(counts)
    return Outcome(word, count, (sentences[0] if sentences else "") + more)


_LOUDEST = ("accepted", "proposed", "pending", "rehearsed", "rejected")
_WORDS = {"rehearsed": "dry run"}
_RECEIVED = Outcome("received", "", "Received and stored; being decided.")
_DELAYED = Outcome("delayed", "", "Received and stored; it waits for the end of its delay.")
_UNFOLLOWED = Outcome("nobody", "", "No enabled subscription follows this strategy, so nothing was ordered.")
_UNFOLLOWED_TEST = Outcome(
    "nobody", "", "No enabled subscription follows this strategy, so there was nothing to rehearse."
)
