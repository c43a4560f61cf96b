"""The colours of the token file, measured: text is held to WCAG AA in both themes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from django.conf import settings

TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text()
PAIR = re.compile(r"--([\w-]+):\s*light-dark\(oklch\(([^)]+)\),\s*oklch\(([^)]+)\)\)")
Colour = tuple[float, float, float]


def _numbers(text: str) -> Colour:
    lightness, chroma, hue = (float(part) for part in text.split()[:3])
    return lightness, chroma, hue


NAMES = {name: (_numbers(light), _numbers(dark)) for name, light, dark in PAIR.findall(TOKENS) if "/" not in light}

SURFACES = ["desk", "paper", "raised", "sunken", "hover"]
TEXTS = ["ink", "ink-2", "ink-3"]
READ = (
    [(text, surface) for text in TEXTS for surface in SURFACES]
    + [(text, surface) for text in ("accent", "up", "down", "warn") for surface in ("paper", "raised", "desk", "hover")]
    + [(tone, f"{tone}-tint") for tone in ("up", "down", "warn", "accent", "simulated")]
    + [("ink", f"{tone}-tint") for tone in ("up", "down", "warn", "accent", "quiet")]
    + [
        ("ink-2", "quiet-tint"),
        ("on-accent", "accent-fill"),
        ("on-accent", "accent-fill-hover"),
        ("on-live", "live-fill"),
    ]
)
SEEN = [("line-strong", surface) for surface in ("paper", "desk", "raised")]


def linear(colour: Colour) -> Colour:
    """OKLCH to linear sRGB, kept within the gamut."""
    lightness, chroma, hue = colour
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return min(max(red, 0), 1), min(max(green, 0), 1), min(max(blue, 0), 1)


def contrast(one: Colour, other: Colour) -> float:
    """The WCAG ratio of two colours."""
    luminances = sorted(
        0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (linear(one), linear(other))
    )
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def test_it_measures_as_the_standard_does() -> None:
    assert contrast((1, 0, 0), (0, 0, 0)) == pytest.approx(21)
    assert contrast((1, 0, 0), (1, 0, 0)) == 1


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "surface"), READ)
def test_text_can_be_read(text: str, surface: str, theme: int) -> None:
    assert contrast(NAMES[text][theme], NAMES[surface][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("edge", "surface"), SEEN)
def test_edges_of_controls_can_be_seen(edge: str, surface: str, theme: int) -> None:
    assert contrast(NAMES[edge][theme], NAMES[surface][theme]) >= 3
