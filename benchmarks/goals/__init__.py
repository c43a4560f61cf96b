"""Goals: each bench notes its figures beside them, and `make bench` makes one table of all."""

from benchmarks.goals.noting import Figure, note

__all__ = ["Figure", "note"]
