"""Noise that adds up to a market: a seeded walk that is a pure function of who walks and when."""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1
_YEAR_S = 365.25 * 86_400.0
# Noise of growing period adds up to a path that looks like a walk, can be asked for any moment, and
# never runs away: after a restart, or a year later, the same market goes on.
_PERIODS = tuple(2.0 * 4.0**k for k in range(11))
_SHARES = tuple(math.sqrt(period / _YEAR_S) for period in _PERIODS)
_SCALE = 1.2
_MOOD = 101


def mix(*parts: int) -> int:
    """64 well-mixed bits from a few integers (splitmix64)."""
    x = 0x9E3779B97F4A7C15
    for part in parts:
        x = (x + part * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
        x ^= x >> 31
    return x


def noise(*parts: int) -> float:
    """A repeatable number between -1 and 1."""
    return mix(*parts) / float(1 << 63) - 1.0


class Walks:
    """The walks of one seed; what was asked last is remembered, because it is asked again."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._ends: dict[tuple[int, int], tuple[int, float, float]] = {}

    def drift(self, walker: int, at: float) -> float:
        """How far a walker of yearly volatility one has gone, as a logarithm."""
        gone = 0.0
        for octave, period in enumerate(_PERIODS):
            gone += _SHARES[octave] * self._wave(walker, octave, at / period)
        return gone * _SCALE

    def mood(self, walker: int, at: float, period: float) -> float:
        """A slow wave between -1 and 1."""
        return self._wave(walker, _MOOD, at / period)

    def _wave(self, walker: int, octave: int, along: float) -> float:
        index = math.floor(along)
        ends = self._ends.get((walker, octave))
        if ends is None or ends[0] != index:
            ends = (
                index,
                noise(self.seed, walker, octave, index),
                noise(self.seed, walker, octave, index + 1),
            )
            self._ends[walker, octave] = ends
        part = along - index
        return ends[1] * (1 - part) + ends[2] * part
