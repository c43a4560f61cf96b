"""One text of IBKR's that Halyard knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A code that stays, the pattern of IBKR's words, and the sentence: what happened and what to do next."""

    code: str
    pattern: str
    sentence: str
    _compiled: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = re.compile(self.pattern, re.IGNORECASE) if self.pattern else None
        object.__setattr__(self, "_compiled", compiled)

    def knows(self, words: str) -> bool:
        """Whether these words are this text."""
        return self._compiled is not None and self._compiled.search(words) is not None
