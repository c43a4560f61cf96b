"""A pytest plugin: a run keeps the bytecode of what it imports, even where the environment asks Python to write none.

Without it each process of a run compiles all its modules anew, a thousand of them: twenty seconds for each worker. What
it keeps lies in pytest's own cache folder and leaves no trace beside the sources.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"

if sys.dont_write_bytecode and sys.pycache_prefix is None:
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(CACHE)
    # Workers, and the processes that tests start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(CACHE)
