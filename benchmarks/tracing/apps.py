"""The Django app that puts the probe into a process."""

from __future__ import annotations

import os
from pathlib import Path

from django.apps import AppConfig

from benchmarks.tracing import probe


class TracingConfig(AppConfig):
    name = "benchmarks.tracing"
    label = "tracing"

    def ready(self) -> None:
        probe.install(Path(os.environ[probe.FOLDER]))
