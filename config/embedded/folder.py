"""The data folder: made or refused, locked by one run at a time, with a private folder for sockets."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO

from config.embedded.servers import EmbeddedError

MARKER = "halyard-data"
LONGEST_SOCKET = 103  # bytes: what macOS allows; Linux allows 107
LONGEST_NAME = ".s.PGSQL.5432.lock"


def claim(folder: Path) -> None:
    """Make the folder a data folder, or refuse one that holds other files or belongs to another user."""
    if folder.exists() and not folder.is_dir():
        raise EmbeddedError(f"{folder} is not a folder. Set HALYARD_DATA to the folder Halyard may keep its data in.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # One listing: the marker is always the first file made, so a listing without it shows foreign files.
    names = os.listdir(folder)
    if names and MARKER not in names:
        raise EmbeddedError(
            f"{folder} is not a data folder of Halyard: it holds other files. "
            "Set HALYARD_DATA to an empty or a new folder."
        )
    if not names:
        (folder / MARKER).write_text("This folder holds Halyard's local data: its database, sockets, keys and logs.\n")
    elif (owner := (folder / MARKER).stat().st_uid) != os.geteuid():
        raise EmbeddedError(
            f"The data folder {folder} belongs to another user (id {owner}). "
            "Run Halyard as that user, or set HALYARD_DATA to a folder of your own."
        )


def lock(folder: Path) -> int:
    """Lock the folder for this process, and return the lock's descriptor. The kernel releases it however we end."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise EmbeddedError(
            f"Another Halyard (process {holder}) is using {folder}. Stop it, or set HALYARD_DATA to another folder."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def is_locked(folder: Path) -> bool:
    """Whether a run holds the folder now."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def socket_folder(folder: Path) -> Path:
    """The sockets' folder: inside the data folder, or in the temporary folder when that path does not suit a socket."""
    inside = folder / "sockets"
    fits = len(os.fsencode(inside / LONGEST_NAME)) <= LONGEST_SOCKET
    if fits and re.fullmatch(r"[\w/.+-]+", str(inside), re.ASCII):
        return inside
    # Not $TMPDIR first: two shells that differ in it must still agree.
    shared = Path("/tmp")  # noqa: S108  closed to others and checked by open_socket_folder
    temporary = shared if shared.is_dir() else Path(tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return temporary / f"halyard-{os.geteuid()}-{name}"


def open_socket_folder(folder: Path) -> Path:
    """Make the sockets' folder, open to us alone: the servers trust everybody who reaches a socket in it."""
    sockets = socket_folder(folder)
    sockets.mkdir(exist_ok=True, mode=0o700)
    if sockets.is_symlink() or sockets.lstat().st_uid != os.geteuid():
        raise EmbeddedError(f"{sockets} was made by somebody else. Set HALYARD_DATA to a folder with a shorter path.")
    sockets.chmod(0o700)
    return sockets


@contextlib.contextmanager
def explaining_errors(folder: Path) -> Generator[None]:
    """Turn an error of the file system into an EmbeddedError with a sentence."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        raise EmbeddedError(
            f"Halyard cannot use its data folder {folder}: {reason}. Set HALYARD_DATA to a folder you may write to."
        ) from error


@contextlib.contextmanager
def write_once(file: Path) -> Generator[IO[str]]:
    """A private file that appears whole; of two processes that make it at once, the first one's stays."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as draft:
        yield draft
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, file)
