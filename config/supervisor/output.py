"""The supervisor's terminal: every line begins with the name of the process that wrote it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)
OWN_NAME = "halyard"


class Output:
    """Lines with a coloured name before them, and plain ones of our own."""

    def __init__(self, names: list[str], stream: TextIO = sys.stdout) -> None:
        self.stream = stream
        self.width = max(len(name) for name in (*names, OWN_NAME))
        self.colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
        self.colourful = stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        """One line of a process."""
        label = f"{name:<{self.width}} |"
        if self.colourful and (colour := self.colours.get(name)):
            label = f"\033[{colour}m{label}\033[0m"
        self._write(f"{label} {text}")

    def say(self, text: str) -> None:
        """One line of the supervisor."""
        self.line(OWN_NAME, text)

    def block(self, rows: list[tuple[str, str]]) -> None:
        """A short table between empty lines, for a person to read."""
        width = max(len(label) for label, _ in rows)
        self._write("\n" + "\n".join(f"  {label:<{width}}  {value}" for label, value in rows) + "\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            # Our reader has gone (`make run | head`); the processes matter more than their lines.
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
