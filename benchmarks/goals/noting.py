"""What a bench notes for the table; alone, without `make bench` around it, it notes nothing."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_VARIABLE = "HALYARD_BENCH_FIGURES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure beside its goal. `baseline` is what it is compared with in the same run, in the same unit."""

    what: str
    figure: float
    unit: str
    goal: float
    at_least: bool = False  # the figure is to reach the goal, and not to stay below it
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of its baseline."""
        return self.figure / self.baseline if self.baseline else None

    @property
    def reached(self) -> bool:
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


def note(figure: Figure) -> None:
    """Add a figure to the table of this run."""
    if file := os.environ.get(FILE_VARIABLE):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(asdict(figure)) + "\n")
