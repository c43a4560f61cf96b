"""The tables of a migrated database as a file of SQL, so that migrating, the slowest thing a run does, is done once.

The first process of a run that needs tables migrates and writes the file; the first server of a test's own reads it, and
the others are copies of that one, with the note that it is up to date: a product begins there as one that was stopped
begins again. All of it stays in pytest's cache folder for later runs, until a migration, or one of our modules that a
migration imports, is another one.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config import embedded
from config.embedded.postgres import major_version, postgres_programs
from config.supervisor import prepare

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "tables"
VARIABLE = "HALYARD_TABLES"  # names the file to processes that a test starts
APPS = ("accounts", "brokers", "strategies", "config")


def file() -> Path:
    """Where the tables of today's migrations are, or will be."""
    digest = hashlib.sha256(platform.python_version().encode())
    for path in sorted(_modules()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update((ROOT / "requirements-dev.lock").read_bytes())
    return CACHE / f"{digest.hexdigest()[:32]}.sql"


def _modules() -> set[Path]:
    """The migrations, and every module of ours that they import, directly or not."""
    waiting = {path for app in APPS for path in (ROOT / app).rglob("migrations/*.py")}
    known: set[Path] = set()
    while waiting:
        path = waiting.pop()
        known.add(path)
        waiting |= set(_imported(path)) - known
    return known


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            place = ROOT.joinpath(*name.split("."))
            if name.partition(".")[0] in APPS:
                yield from (at for at in (place.with_suffix(".py"), place / "__init__.py") if at.is_file())


def write(database: str) -> None:
    """Keep the tables of this database, and those of the two before it: another run may be reading them."""
    CACHE.mkdir(parents=True, exist_ok=True)
    target = file()
    part = target.with_suffix(f".{os.getpid()}")
    _run("pg_dump", "--no-owner", "--no-privileges", "--file", str(part), "--dbname", database)
    _note(target).write_text(prepare.note(prepare.migrations()))
    part.replace(target)
    for old in sorted(CACHE.glob("*.sql"), key=os.path.getmtime)[:-3]:
        old.unlink(missing_ok=True)
        _note(old).unlink(missing_ok=True)
        shutil.rmtree(_filled(old), ignore_errors=True)


def read(database: str, tables: Path) -> None:
    """Make the tables in an empty database: all of them, or none."""
    quietly = ("--quiet", "--no-psqlrc", "--output", os.devnull)
    whole = ("--single-transaction", "--set", "ON_ERROR_STOP=1")
    _run("psql", *quietly, *whole, "--file", str(tables), "--dbname", database)


def fill(folder: Path, tables: Path | None) -> None:
    """Give a data folder, which nobody has started yet, these tables, if any."""
    if tables is None:
        return
    if not (ready := _filled(tables)).exists():
        _make_filled(ready, tables)
    shutil.copytree(ready, folder, dirs_exist_ok=True)


def _filled(tables: Path) -> Path:
    """Where a data folder with these tables is kept, which nothing runs in: of this machine's PostgreSQL, whose files no other
    version reads."""
    return tables.with_suffix(f".{platform.machine()}-{major_version(postgres_programs())}")


def _note(tables: Path) -> Path:
    return tables.with_suffix(".json")


def _make_filled(ready: Path, tables: Path) -> None:
    """The folder appears whole; of two processes that make it at once, the first one's stays."""
    with tempfile.TemporaryDirectory(dir=ready.parent) as draft:
        folder = Path(draft) / "data"
        with embedded.start(folder, redis=False):
            read(embedded.urls(folder).database, tables)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(_note(tables), folder / prepare.NOTE)
        with contextlib.suppress(OSError):
            folder.rename(ready)


def made() -> Path | None:
    """The file, where a process of this run has written or read it; on a server that somebody named none has."""
    return known if (known := file()).exists() else None


def named() -> Path | None:
    """The file that whoever started this process has named."""
    return Path(name) if (name := os.environ.get(VARIABLE)) else None


def _run(program: str, *words: str) -> None:
    subprocess.run([postgres_programs() / program, *words], check=True, stdin=subprocess.DEVNULL)
