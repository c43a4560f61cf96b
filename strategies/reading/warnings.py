"""What we noticed in a message, as sentences: fields that were not used, and what their sender may have meant."""

from __future__ import annotations

import difflib
import functools

from strategies.reading.sent import KNOWN


@functools.lru_cache(maxsize=2_000)
def sentence(code: str) -> str:
    """A warning's code (`unknown-field:quantiy`) as one sentence that helps; a code nobody knows comes back as it is."""
    kind, _, name = code.partition(":")
    if kind == "unknown-field":
        meant = did_you_mean(name)
        if meant:
            return f"{name} is no field of ours and was not used. Did you mean {meant}? Names are case-sensitive."
        return f"{name} is no field of ours. It was kept and not used."
    if kind == "blank-field":
        return f"{name} was empty, which is the same as leaving it out."
    if kind == "continuous-contract":
        return (
            f"{name} is a continuous contract: it is traded as the contract that is in front at that moment. "
            "Name the month, such as MNQZ2026, to be sure which one an exit leaves."
        )
    if kind.startswith("ignored-"):
        return (
            f"{kind.removeprefix('ignored-')} could not be read. It only informs, so the order is the same without it."
        )
    return code


def did_you_mean(name: str) -> str:
    """The field of ours that a name nearly is, or nothing."""
    known = {field.lower(): field for field in sorted(KNOWN)}
    _, _, last = name[:60].rpartition(".")
    plain = last.replace("_", "").replace("-", "").lower()
    if plain in known:
        return known[plain]
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.8)
    return known[close[0]] if close else ""
