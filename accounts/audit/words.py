"""What entries say, as people read it: an action in words, and the name of what a code stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from accounts.models import AuditEntry

Names = Callable[[int, list[str]], Mapping[str, str]]
# Each floor above adds what its codes stand for: from a team's primary key and codes to names.
NAMES: list[Names] = []
_CODE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def deed(action: str) -> str:
    """An action in words: `connection.proxy_shown` is `Connection: proxy shown`."""
    return action.replace("_", " ").replace(".", ": ").capitalize()


def subjects(entries: Iterable[AuditEntry]) -> dict[int, str]:
    """What each entry is about, by its primary key; a code by the name of what it stands for, where it is still there."""
    rows = list(entries)
    codes: dict[int, set[str]] = {}
    for entry in rows:
        if entry.team_id is not None and (code := _CODE.search(entry.subject)):
            codes.setdefault(entry.team_id, set()).add(code[0])
    names = {
        code: name
        for team, of_team in codes.items()
        for ask in NAMES
        for code, name in ask(team, sorted(of_team)).items()
    }
    return {entry.pk: _CODE.sub(lambda code: names.get(code[0], code[0]), entry.subject) for entry in rows}
