"""Halyard's own settings, with the DRF door at its URLs."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.drf.door"
