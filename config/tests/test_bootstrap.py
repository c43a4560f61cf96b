"""The bootstrap says in one sentence what is missing, whatever Python it is given."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pip
import pytest

from config.embedded import BASE_DIR

pytestmark = pytest.mark.usefixtures("servers")

SCRIPT = BASE_DIR / "bin" / "bootstrap.py"
FAKE_VERSION = "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); runpy.run_path({!r}, run_name='__main__')"
NO_VENV = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "ensurepip" else find(name, *more)
sys.argv = ["bootstrap.py", "run"]
runpy.run_path({!r}, run_name="__main__")
"""


@pytest.fixture
def bootstrap() -> Any:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a fresh clone as the bootstrap looks at."""
    shutil.copytree(BASE_DIR / "bin", tmp_path / "bin")
    for lock in ("requirements.lock", "requirements-dev.lock"):
        shutil.copy(BASE_DIR / lock, tmp_path / lock)
    return tmp_path


def refusal(*command: str, **variables: str) -> str:
    """The one sentence a command ends with."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **variables}, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_a_python_as_old_as_3_6_can_read_it() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_an_old_python_is_refused_in_a_sentence() -> None:
    message = refusal(sys.executable, "-c", FAKE_VERSION.format(str(SCRIPT)))
    assert message.startswith("Halyard needs Python 3.11 or newer, and this is 3.9. Install a newer one")


def test_a_python_without_venv_is_refused_in_a_sentence(clone: Path) -> None:
    message = refusal(sys.executable, "-c", NO_VENV.format(str(clone / "bin" / "bootstrap.py")))
    assert "came without its ensurepip module" in message
    assert "apt-get install python3-venv" in message
    assert not (clone / ".venv").exists()


def test_an_environment_behind_a_link_is_left_alone(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / ".venv"
    (other / "bin").mkdir(parents=True)
    (clone / ".venv").symlink_to(other)
    sentence = refusal(sys.executable, str(clone / "bin" / "bootstrap.py"), "dev")
    assert sentence.startswith(f".venv is a link to {other}, which another checkout may be using")
    assert [path.name for path in other.iterdir()] == ["bin"]


def test_a_package_index_out_of_reach_is_told_in_a_sentence(clone: Path) -> None:
    # An environment that lacks everything but pip, made in a moment: ensurepip would take most of the test's time.
    venv.create(clone / ".venv", with_pip=False, symlinks=True)
    (clone / ".venv" / "bin" / "pip").write_text(f"#!{clone}/.venv/bin/python\n")
    packages = next((clone / ".venv" / "lib").glob("python*")) / "site-packages"
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    nowhere = "http://127.0.0.1:9/simple"
    message = refusal(
        str(clone / "bin" / "bootstrap"),
        "run",
        PIP_INDEX_URL=nowhere,
        PIP_FIND_LINKS="",
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_CACHE_DIR="1",
        UV_DEFAULT_INDEX=nowhere,
        UV_NO_CACHE="1",
    )
    assert message.startswith("The packages could not be downloaded. Check the network")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "error: command 'gcc' failed: No such file or directory",
            "install a compiler (Debian: apt-get install build-",
        ),
        ("OSError: [Errno 28] No space left on device", "The disk is full."),
        ("error: Failed to fetch: dns error", "Check the network"),
        ("THESE PACKAGES DO NOT MATCH\nExpected sha256 ...\n do not match the hashes from", "is not the one the lock"),
        ("first\nsomething unheard of\n", "Installing the packages failed: something unheard of"),
    ],
)
def test_what_the_installer_says_becomes_a_sentence(bootstrap: Any, output: str, sentence: str) -> None:
    assert sentence in bootstrap.explain(output)
    assert bootstrap.explain(output).endswith("The whole output is in .venv/bootstrap.log.")


def test_a_second_bootstrap_has_nothing_to_do(bootstrap: Any, tmp_path: Path) -> None:
    bootstrap.VENV = tmp_path
    bootstrap.PYTHON = Path(sys.executable)
    assert not bootstrap.is_done("run")
    bootstrap.stamp("dev").write_text(bootstrap.state("dev"))
    assert bootstrap.is_done("dev")
    assert bootstrap.is_done("run")  # the packages for tests include those to run
    bootstrap.stamp("dev").write_text("another lock file\n")
    assert not bootstrap.is_done("run")


def test_every_locked_package_has_its_hashes_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "bin/uv.txt"):
        lines = (BASE_DIR / name).read_text().splitlines()
        packages = [place for place, line in enumerate(lines) if "==" in line and not line.startswith((" ", "#"))]
        assert packages
        assert all("--hash=sha256:" in lines[place + 1] for place in packages)
        assert not [line for line in lines if "://" in line]
