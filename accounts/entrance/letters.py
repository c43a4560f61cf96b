"""Others' words in our mails: names and sentences that people, senders and gateways chose."""

from __future__ import annotations

import re

_MOST = 500
# What a mail program makes a link of: an address with its scheme, one that begins with www, a host with a path.
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|\bwww\.|\b(?:mailto|tel|data|javascript):)\S+|[\w-]+(?:\.[\w-]+)+/\S*", re.IGNORECASE
)


def quoted(text: object, most: int = _MOST) -> str:
    """The words on one line, without signs that hide or turn letters, and with no link that opens: only ours do."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * most])
    words = _LINK.sub(lambda link: link[0].replace(":", "[:]").replace(".", "[.]"), " ".join(line.split()))
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
