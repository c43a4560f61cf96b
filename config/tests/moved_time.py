"""The product's own settings, by a clock that a test moves: each process reads from a file how far it is moved."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

_now = timezone.now
_file = Path(os.environ["MOVED_TIME"])


def _moved() -> datetime:
    return _now() + timedelta(seconds=float(_file.read_text()))


# Before anything else is imported: who keeps `timezone.now` keeps this one.
timezone.now = _moved

from config.settings import *  # noqa: E402, F403
