"""Makes .venv and installs what requirements.lock (run) or requirements-dev.lock (dev) names; a second run does nothing.

Only the standard library, and nothing an old Python cannot parse: it must be able to say that it is too old.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  it is about the Python that happens to be there
    sys.exit(
        "Halyard needs Python 3.11 or newer, and this is %d.%d. "  # noqa: UP031
        "Install a newer one (Debian 12 and Ubuntu 24.04 have it: apt-get install python3 python3-venv), "
        "or name it: make run PYTHON=/path/to/python3.12" % tuple(sys.version_info[:2])
    )

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
UV_LOCK = ROOT / "bin" / "uv.txt"
PIP_INSTALL = ("-m", "pip", "install", "--disable-pip-version-check", "--retries", "2", "--quiet")
LOG_IS = "The whole output is in .venv/bootstrap.log."

BUILD = (
    "A package has no ready-made build for this Python and machine, and building it failed. Use Python 3.11 to 3.14 on "
    "x86-64 or arm64, or install a compiler (Debian: apt-get install build-essential python3-dev)."
)
NETWORK = (
    "The packages could not be downloaded. Check the network, "
    "or name the mirror you use: pip config set global.index-url ADDRESS."
)
# Signs in an installer's output, and what a person can do about them; the first match is shown.
CAUSES = (
    (("No space left",), "The disk is full. Free about 1 GB and run make again."),
    (("do not match the hashes", "Hash mismatch"), "A downloaded package is not the one the lock file names."),
    (("gcc", "g++", "compiler", "Failed building wheel", "Failed to build", "Python.h", "cargo", "rustc"), BUILD),
    (
        ("onnection", "etwork", "resol", "dns", "timed out", "sending request", "SSL", "No matching distribution"),
        NETWORK,
    ),
)


class BootstrapError(Exception):
    """It cannot go on; the message says why and what to do."""


def main(kind: str) -> None:
    """Bring .venv to the state the lock file of this kind asks for."""
    if is_done(kind):
        return
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise BootstrapError(
                f"This Python ({sys.executable}) came without its {module} module, which makes virtual environments. "
                "Install it (Debian, Ubuntu: apt-get install python3-venv) and run make again."
            )
    if VENV.is_symlink():
        raise BootstrapError(
            f".venv is a link to {VENV.resolve()}, which another checkout may be using, so it stays as it is. "
            "Remove the link and run make again; this checkout then gets an environment of its own."
        )
    VENV.mkdir(exist_ok=True)
    with alone(), open(VENV / "bootstrap.log", "w", encoding="utf-8") as log:
        if is_done(kind):  # by the other `make` that held the lock
            return
        make_venv(log)
        install(kind, log)
        # The project itself importable from everywhere in its own environment: plain `pytest` works, too.
        (site_packages() / "halyard.pth").write_text(f"{ROOT}\n")
        stamp(kind).write_text(state(kind))


def is_done(kind: str) -> bool:
    """Whether an earlier bootstrap already did this; the dev packages include those to run."""
    return PYTHON.exists() and any(
        stamp(name).exists() and stamp(name).read_text() == state(name) for name in {kind, "dev"}
    )


def stamp(kind: str) -> Path:
    return VENV / f"halyard-{kind}.stamp"


def state(kind: str) -> str:
    """What .venv depends on: the lock files, and its own place, which its scripts have inside them."""
    return f"{hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest()} {VENV}\n"


def make_venv(log: IO[str]) -> None:
    """A new environment, unless the present one works."""
    if works():
        return
    say(f"Making .venv with Python {platform.python_version()}.")
    for name in ("bin", "lib", "lib64", "include", "pyvenv.cfg", *(stamp(kind).name for kind in LOCKS)):
        path = VENV / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    run([sys.executable, "-m", "venv", str(VENV)], log)


def works() -> bool:
    """Whether .venv holds a Python that runs, is new enough and was made here: scripts do not survive a move."""
    pip = VENV / "bin" / "pip"
    if not (PYTHON.exists() and pip.exists() and str(VENV) in pip.read_text().partition("\n")[0]):
        return False
    question = [str(PYTHON), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(question, capture_output=True, check=False).returncode == 0


def install(kind: str, log: IO[str]) -> None:
    """The packages of the lock file, by uv where it can be had, by pip otherwise."""
    began, lock = time.monotonic(), LOCKS[kind]
    say(f"Installing the packages of {lock.name}.")
    uv = get_uv(log)
    # `sync` also removes what the lock does not name. Not for `run`: it would take the test tools away again.
    verb = ["sync"] if kind == "dev" else ["install", "-r"]
    command = [str(uv), "pip", *verb, str(lock), "--require-hashes", "--python", str(PYTHON)]
    try:
        if uv is None:
            raise BootstrapError("uv is not here")
        run(command, log, **index())
    except BootstrapError:
        # pip knows settings that uv does not (proxies, certificates, mirrors), and takes half a minute longer.
        run([str(PYTHON), *PIP_INSTALL, "--require-hashes", "-r", str(lock)], log)
    say(f"Done in {time.monotonic() - began:.0f} s.")


def get_uv(log: IO[str]) -> "Path | None":
    """uv inside .venv, installed by pip."""
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        with contextlib.suppress(BootstrapError):
            run([str(PYTHON), *PIP_INSTALL, "--require-hashes", "-r", str(UV_LOCK)], log)
    return uv if uv.exists() else None


def index() -> "dict[str, str]":
    """uv does not read pip's configuration; a mirror named there is meant for us all the same."""
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    question = [str(PYTHON), "-m", "pip", "config", "get", "global.index-url"]
    url = (
        os.environ.get("PIP_INDEX_URL") or subprocess.run(question, capture_output=True, text=True, check=False).stdout
    )
    return {"UV_DEFAULT_INDEX": url.strip()} if url.strip() else {}


def run(command: "list[str]", log: IO[str], **variables: str) -> None:
    """Run an installer with its output in the log; a failure becomes a sentence."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    began = log.tell()
    environ = {**os.environ, "UV_NO_PROGRESS": "1", "PIP_NO_INPUT": "1", **variables}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=ROOT, check=False)
    if done.returncode != 0:
        with open(log.name, encoding="utf-8", errors="replace") as output:
            output.seek(began)
            raise BootstrapError(explain(output.read()))


def explain(output: str) -> str:
    """The first known cause in an installer's output, else its last line."""
    for signs, sentence in CAUSES:
        if any(sign in output for sign in signs):
            return f"{sentence} {LOG_IS}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"Installing the packages failed: {lines[-1] if lines else 'without a word.'} {LOG_IS}"


def site_packages() -> Path:
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(
        subprocess.run([str(PYTHON), "-c", question], capture_output=True, text=True, check=True).stdout.strip()
    )


@contextlib.contextmanager
def alone() -> "Iterator[None]":
    """Two makes at once: the second waits and then finds everything done."""
    with open(VENV / "bootstrap.lock", "w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    kind = sys.argv[1] if len(sys.argv) > 1 else "run"
    if kind not in LOCKS:
        sys.exit(f"Say `bin/bootstrap run` or `bin/bootstrap dev`, not {kind!r}.")
    if "--ask" in sys.argv:
        sys.exit(not is_done(kind))
    try:
        main(kind)
    except BootstrapError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Halyard cannot write its .venv: {error}. Check the owner and the free space of {ROOT}.")
    except KeyboardInterrupt:
        sys.exit(130)
