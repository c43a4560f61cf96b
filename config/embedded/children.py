"""How our child processes start: they end when we end, and PostgreSQL never runs as root."""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# From the kernel's headers, which Python's standard library does not carry.
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

Preparation = Callable[[], None]

# Loaded here, because between fork and exec nothing should be imported or loaded any more.
libc = ctypes.CDLL(None, use_errno=True)


def leash(stop_signal: int, become: Preparation | None = None) -> Preparation | None:
    """The function a child runs before its program starts, so that the kernel sends it `stop_signal` when we die.

    Call Popen from the main thread: the kernel watches the thread that forked, not the whole process.
    """
    if sys.platform != "linux":
        return become
    parent = os.getpid()

    def prepare() -> None:
        if become is not None:
            become()
        # After `become`: a change of user clears the setting.
        libc.prctl(PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before we could ask to be told

    return prepare


def adopt(wanted: bool = True) -> bool:
    """Become (or no longer be) the parent of every process below us whose own parent ends; whether the kernel can do it."""
    return sys.platform == "linux" and bool(libc.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0)


def follow(stop_signal: int, parent: int) -> None:
    """Ask the kernel for `stop_signal` when our parent dies; end at once when it has died already."""
    libc.prctl(PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def rename(name: str) -> None:
    """Show under this name in lists of processes (`ps -e`, `top`)."""
    libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def nobody() -> int:
    """The uid of `nobody`."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return 65534


def may_run_postgres() -> bool:
    """Whether the present user is one that Postgres accepts: not root, and with a name."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return os.geteuid() != 0


def namespace() -> Preparation:
    """Enter a user namespace in which we appear as nobody, while every file stays ours."""
    inner, uid, gid = nobody(), os.geteuid(), os.getegid()

    def become() -> None:
        if libc.unshare(CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{inner} {uid} 1")
        _write("/proc/self/gid_map", f"{inner} {gid} 1")

    return become


def can_become(become: Preparation) -> bool:
    """Whether a child can change user this way here: many containers refuse user namespaces."""
    try:
        return subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=become, check=False).returncode == 0
    except (subprocess.SubprocessError, OSError):
        return False


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def nobody_with_access() -> Preparation:
    """Become nobody by setuid, for root where namespaces are refused (Docker's default).

    One capability is kept, to pass folders closed to others: a clone below root's own home is the usual case,
    and opening that home to everybody is not ours to do.
    """
    uid = nobody()
    header, sets = _Header(CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    bit = 1 << CAP_DAC_OVERRIDE
    sets[0] = _Sets(bit, bit, bit)

    def become() -> None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        # Where the capability is not ours to keep, a folder open to all still works.
        libc.capset(ctypes.byref(header), sets)
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)

    return become


def change_owner(folder: Path, uid: int) -> None:
    """Make `uid` the owner of a tree, unless it is: an earlier start may have run as another user."""
    if folder.stat().st_uid == uid:
        return
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(root, name), uid, -1, follow_symlinks=False)
    os.chown(folder, uid, -1)  # last: it is what the next start looks at


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
