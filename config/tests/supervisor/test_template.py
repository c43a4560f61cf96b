"""Processes forked from the template, for real: what they are told, whose they are, and what happens without it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from config import embedded
from config.embedded import children
from config.supervisor import prepare, processes
from config.supervisor.starting import Starter, Wiring, known_words
from config.tests.watching import is_alive, outside

pytestmark = pytest.mark.usefixtures("servers")

ENVIRON = {"PATH": os.defpath, "PORT": "8001"}


def test_the_shells_words_are_the_templates_words() -> None:
    words = known_words('python -W "ignore:You\'re" -m config.worker --queues ${NAME:-orders}', ENVIRON)
    assert words == ["-W", "ignore:You're", "-m", "config.worker", "--queues", "orders"]
    words = known_words('python -m uvicorn x:y --port "$PORT"', ENVIRON)
    assert words == ["-m", "uvicorn", "x:y", "--port", "8001"]


@pytest.mark.parametrize(
    "command",
    [
        "python web.py",
        "python -m http.server",
        "nginx -g daemon",
        "python manage.py stream | tee log",
        "env",
        # The template's settings are those of the run.
        "env HALYARD_PREPARE=off python manage.py stream",
    ],
)
def test_anything_else_starts_as_a_program(command: str) -> None:
    assert known_words(command, ENVIRON) is None


def test_every_process_of_the_procfile_is_known() -> None:
    commands = processes.read_procfile(embedded.BASE_DIR / "Procfile")
    assert all(known_words(command, ENVIRON) for command in commands.values())


def test_the_template_loads_no_shell_and_no_command_line_of_celery() -> None:
    """They would lie in the memory of each process; and what is named has to exist."""
    code = (
        "import importlib, sys, django; from config.supervisor.template import COMMANDS, REST; django.setup();"
        "[importlib.import_module(name) for name in (COMMANDS + REST).split()];"
        "print({'prompt_toolkit', 'click_repl', 'celery.bin', 'playwright', 'ibind', 'pytest'} & set(sys.modules))"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, cwd=embedded.BASE_DIR, env=environ, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


@pytest.fixture
async def starter(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter()
    starter.load({**outside(tmp_path / "data"), "HALYARD_SELF_CONTAINED": "on", "PYTHONPATH": str(embedded.BASE_DIR)})
    assert starter.pid
    yield starter
    starter.close()
    children.adopt(False)


def parent(pid: int) -> int:
    """The process id of its parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def run(starter: Starter, tmp_path: Path, command: str, **environ: str) -> tuple[int, str]:
    """Start it, wait for its end; its status and what it printed."""
    file = tmp_path / "said"
    with file.open("wb") as said:
        wiring = Wiring(stdout=said.fileno(), stderr=said.fileno())
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {**outside(tmp_path / "data"), "HALYARD_SELF_CONTAINED": "on", "PATH": path, **environ}
        child = await starter.start("command", command, inherited, wiring)
        code = await asyncio.wait_for(starter.wait(child), 60)
    return code, file.read_text()


async def test_a_forked_process_ends_with_the_status_and_the_words_of_its_program(
    starter: Starter, tmp_path: Path
) -> None:
    assert await run(starter, tmp_path, "python manage.py version") == (0, f"{django.get_version()}\n")
    status, said = await run(starter, tmp_path, "python manage.py nothing-like-it")
    assert status == 1
    assert "Unknown command" in said


async def test_a_forked_process_that_is_killed_says_so(starter: Starter, tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        wiring = Wiring(stdout=said.fileno(), stderr=said.fileno())
        environ = {**outside(tmp_path / "data"), "HALYARD_SELF_CONTAINED": "on"}
        child = await starter.start("gateway", "python manage.py gateway --port 0", environ, wiring)
        assert parent(child.pid) == os.getpid()
        assert os.getpgid(child.pid) == child.pid
        os.kill(child.pid, signal.SIGKILL)
        assert await asyncio.wait_for(starter.wait(child), 60) == -signal.SIGKILL


async def test_without_its_template_a_process_starts_as_a_program_and_a_new_template_is_loaded(
    starter: Starter, tmp_path: Path
) -> None:
    assert (await run(starter, tmp_path, "python manage.py help"))[0] == 0
    first = starter.pid
    assert first
    os.kill(first, signal.SIGKILL)
    assert (await run(starter, tmp_path, "python manage.py help"))[0] == 0
    assert not is_alive(first)
    assert starter.pid not in {None, first}


@pytest.mark.usefixtures("db")
def test_a_prepared_database_is_known_by_its_note_and_its_rows(tmp_path: Path) -> None:
    names = prepare.migrations()
    url = make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"])
    assert ("brokers", "0001_initial") in names
    assert not prepare.is_prepared(tmp_path, url, names), "without a note, what follows migrations may be missing"
    note = tmp_path / prepare.NOTE
    note.write_text(json.dumps({"migrations": prepare.fingerprint(names)}))
    assert prepare.is_prepared(tmp_path, url, names)
    later = names | {("brokers", "9999_later")}
    assert not prepare.is_prepared(tmp_path, url, later)
    note.write_text(json.dumps({"migrations": prepare.fingerprint(later)}))
    assert not prepare.is_prepared(tmp_path, url, later), "an older database was put in its place"
