"""IBKR's own texts, recognized: a stable code, one sentence of what happened and what to do, and its words beside them.

The tables are `orders` and `sessions`: the first row whose pattern a text shows counts. A text that no row
knows keeps a code and an honest sentence of its own. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from brokers.ibkr.cleaning import one_line
from brokers.ibkr.texts.orders import ORDER_TEXTS
from brokers.ibkr.texts.sessions import SESSION_TEXTS
from brokers.ibkr.texts.text import Text

# As much as a reason holds, with room for what stands before it; a session's reason is shorter.
MOST_OF_A_REASON = 380
MOST_OF_A_STATE = 290
MOST_OF_A_HOLD = 195
# No text of IBKR's is longer; what a hostile gateway sends is not searched to its end.
_MOST_OF_A_TEXT = 1000
_LEAST_WORDS = 24


class About(StrEnum):
    """What the text is about, which says what is to be done about one that nobody knows."""

    ORDER = "order"
    END = "end"
    HOLD = "hold"
    CANCEL = "cancel"
    CHANGE = "change"
    READ = "read"
    SESSION = "session"


_UNKNOWN: dict[About, Text] = {
    About.ORDER: Text(
        "ibkr-refused",
        "",
        "IBKR refused the order for a reason that Halyard does not know, and nothing was placed. "
        "Read IBKR's words, and ask its support where they do not help.",
    ),
    About.END: Text(
        "ibkr-ended",
        "",
        "IBKR ended the order for a reason that Halyard does not know. "
        "Read IBKR's words, and send the order again if it is still wanted.",
    ),
    About.HOLD: Text("ibkr-holds", "", "IBKR holds the order back. Wait, or cancel it if it is not wanted any more."),
    About.CANCEL: Text(
        "ibkr-did-not-cancel",
        "",
        "IBKR did not cancel the order for a reason that Halyard does not know. "
        "Read IBKR's words, and cancel it in TWS if it must not fill.",
    ),
    About.CHANGE: Text(
        "ibkr-did-not-change",
        "",
        "IBKR did not change the order for a reason that Halyard does not know, and the order stays as it was. "
        "Read IBKR's words, and change it in TWS if it must be.",
    ),
    About.READ: Text(
        "ibkr-did-not-answer",
        "",
        "IBKR did not answer a question of Halyard's for a reason that Halyard does not know. "
        "Read IBKR's words, and ask its support where they do not help.",
    ),
    About.SESSION: Text(
        "ibkr-has-no-session",
        "",
        "IBKR opens no session for a reason that Halyard does not know; Halyard tries again. "
        "Read IBKR's words, and sign in at the gateway's page if it stays so.",
    ),
}
# Said without a word of IBKR's.
_SILENT: dict[About, Text] = {
    About.ORDER: Text(
        "ibkr-gave-no-reason",
        "",
        "IBKR refused the order and gave no reason; usually margin or a trading permission is missing. "
        "Look at the account's messages in IBKR's Client Portal.",
    ),
    About.END: Text(
        "ibkr-gave-no-reason",
        "",
        "IBKR or the exchange ended the order and gave no reason. Send it again if it is still wanted.",
    ),
}
CODES_OF_THE_UNKNOWN = frozenset(text.code for text in (*_UNKNOWN.values(), *_SILENT.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What IBKR said, in our sentence, with its own words."""

    code: str
    sentence: str
    words: str = ""

    def in_full(self, most: int = MOST_OF_A_REASON) -> str:
        """The sentence and IBKR's words, cut to what a column takes: the sentence never, the words where they must be."""
        room = most - len(self.sentence) - len(' IBKR: ""')
        if not self.words or room < _LEAST_WORDS:
            return self.sentence
        words = self.words if len(self.words) <= room else f"{self.words[: room - 1].rstrip()}…"
        return f'{self.sentence} IBKR: "{words}"'


def explained(text: object, about: About = About.ORDER) -> Explained:
    """A text of IBKR's, explained; "" where IBKR gave no reason."""
    words = one_line(str(text or "")[: 2 * _MOST_OF_A_TEXT])[:_MOST_OF_A_TEXT].strip()
    if not words:
        silent = _SILENT.get(about, _UNKNOWN[about])
        return Explained(code=silent.code, sentence=silent.sentence)
    # What ended may be a contract or a login: who is asked about the one does not speak of the other.
    tables = (*SESSION_TEXTS, *ORDER_TEXTS) if about is About.SESSION else (*ORDER_TEXTS, *SESSION_TEXTS)
    known = next((each for each in tables if each.knows(words)), _UNKNOWN[about])
    return Explained(code=known.code, sentence=known.sentence, words=words)


def every_text() -> tuple[Text, ...]:
    """All texts with their codes, in the order in which they are tried, those of the unknown last."""
    unknown = {text.code: text for text in (*_UNKNOWN.values(), *_SILENT.values())}
    return (*ORDER_TEXTS, *SESSION_TEXTS, *unknown.values())
