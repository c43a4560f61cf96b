"""The embedded servers, for real: started, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet

from brokers.simulator import __main__ as simulator
from config import embedded
from config.embedded import EmbeddedError, children
from config.tests.watching import eventually, is_alive, outside

HOLDER = """
import json, pathlib, signal, sys
from config import embedded
services = embedded.start(pathlib.Path(sys.argv[1]))
print(json.dumps(services.pids), flush=True)
signal.pause()
"""


def count_rows(folder: Path) -> int | None:
    try:
        with psycopg.connect(embedded.urls(folder).database) as connection:
            row = connection.execute("SELECT count(*) FROM kept").fetchone()
            return int(row[0]) if row else None
    except psycopg.OperationalError:
        return None


def keep_a_row(folder: Path) -> None:
    with psycopg.connect(embedded.urls(folder).database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO kept DEFAULT VALUES")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def services(folder: Path) -> Iterator[embedded.Services]:
    with embedded.start(folder) as started:
        yield started


@pytest.mark.usefixtures("servers")
def test_it_answers_on_private_sockets_only(services: embedded.Services, folder: Path) -> None:
    urls = embedded.urls(folder)
    with psycopg.connect(urls.database) as connection:
        settings = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('fsync'), current_database()"
        ).fetchone()
    assert settings == ("", "on", "halyard")
    client = redis.Redis.from_url(urls.redis, decode_responses=True)
    assert client.ping() is True
    assert client.config_get("port")["port"] == "0"
    client.close()
    sockets = Path(parse_qs(urlsplit(urls.database).query)["host"][0])
    assert sockets.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("servers")
def test_it_keeps_every_row_when_the_postmaster_is_killed(services: embedded.Services, folder: Path) -> None:
    keep_a_row(folder)
    os.kill(services.pids["postgres"], signal.SIGKILL)

    def is_back() -> bool:
        services.revive()
        return count_rows(folder) == 1

    assert eventually(is_back)


@pytest.mark.usefixtures("servers")
def test_a_killed_valkey_comes_back_on_the_same_socket(services: embedded.Services, folder: Path) -> None:
    before = services.pids["valkey"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: services.revive() == ["valkey"])
    client = redis.Redis.from_url(embedded.urls(folder).redis)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    assert eventually(answers)
    assert services.pids["valkey"] != before
    client.close()


@pytest.mark.usefixtures("servers")
def test_servers_end_with_their_starter_and_the_next_start_recovers(folder: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, cwd=embedded.BASE_DIR
    )
    assert holder.stdout is not None
    pids = list(json.loads(holder.stdout.readline()).values())
    keep_a_row(folder)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    # At once, while the old servers may still be ending: the second start has to cope with that.
    with embedded.start(folder) as second:
        assert count_rows(folder) == 1
        assert not any(is_alive(pid) for pid in pids)
        running = list(second.pids.values())
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in running)


@pytest.mark.usefixtures("servers")
def test_a_pid_file_whose_number_another_program_has_does_not_stop_it(folder: Path) -> None:
    with embedded.start(folder):
        keep_a_row(folder)
    (folder / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{folder}/postgres\n0\n5432\n\n\n0 0\nready   \n"
    )
    with embedded.start(folder):
        assert count_rows(folder) == 1


@pytest.mark.usefixtures("servers")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_it_below_a_closed_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> children.Preparation:
        def become() -> None:
            raise PermissionError("unshare")

        return become

    (tmp_path / "home").mkdir(mode=0o700)
    folder = tmp_path / "home" / "data"
    with monkeypatch.context() as patched:
        patched.setattr(children, "namespace", refused)
        with embedded.start(folder, redis=False) as services:
            keep_a_row(folder)
            status = Path(f"/proc/{services.pids['postgres']}/status").read_text()
    assert f"Uid:\t{children.nobody()}" in status
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    with embedded.start(folder, redis=False):  # and back, where they are allowed
        assert count_rows(folder) == 1


def test_it_refuses_a_folder_that_holds_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(EmbeddedError, match="is not a data folder of Halyard: it holds other files"):
        embedded.start(tmp_path)
    with pytest.raises(EmbeddedError, match="Set HALYARD_DATA to an empty or a new folder"):
        embedded.secrets(tmp_path)
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_it_takes_over_a_folder_that_the_simulator_alone_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALYARD_DATA", str(tmp_path / "data"))
    folder = simulator.data_folder()
    assert folder == embedded.data_folder()
    simulator.make(folder)
    (folder / "simulator.sqlite3").touch()
    with embedded.start(folder, database=False, redis=False):
        assert embedded.is_running(folder)


def test_it_refuses_a_folder_that_another_run_is_using(folder: Path) -> None:
    with (
        embedded.start(folder, database=False, redis=False),
        pytest.raises(EmbeddedError, match=rf"Another Halyard \(process {os.getpid()}\) is using"),
    ):
        embedded.start(folder)
    assert not embedded.is_running(folder)


@pytest.mark.usefixtures("servers")
def test_it_refuses_data_of_another_postgres(folder: Path) -> None:
    embedded.start(folder, database=False, redis=False).stop()
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 9, and this installation runs \d\d"):
        embedded.start(folder)
    assert not embedded.is_running(folder)


def test_it_refuses_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(EmbeddedError, match="is not a folder"):
        embedded.start(tmp_path / "data")


@pytest.mark.usefixtures("servers")
def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with embedded.start(deep, database=False):
        client = redis.Redis.from_url(embedded.urls(deep).redis)
        assert client.ping() is True
        client.close()
        sockets = Path(urlsplit(embedded.urls(deep).redis).path).parent
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert tmp_path not in sockets.parents
    (sockets / "valkey.sock").unlink(missing_ok=True)
    sockets.rmdir()


def test_secrets_are_made_once_and_for_us_only(folder: Path) -> None:
    made = embedded.secrets(folder)
    assert set(made) == {"SECRET_KEY", "HALYARD_SERVER_KEYS", "HALYARD_ENCRYPTION_KEYS"}
    assert embedded.secrets(folder) == made
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    Fernet(made["HALYARD_ENCRYPTION_KEYS"])
    assert len(made["SECRET_KEY"]) >= 50


@pytest.mark.usefixtures("servers")
def test_a_given_server_is_used_and_the_other_stays_embedded(folder: Path) -> None:
    fields = {"HALYARD_DATA": str(folder), "DATABASE_URL": "postgresql://somebody@db.example/halyard"}
    assert embedded.resolve(fields) == ("postgresql://somebody@db.example/halyard", embedded.urls(folder).redis)
    with embedded.start(folder, database=False) as services:
        assert set(services.pids) == {"valkey"}


def test_celery_gets_the_same_socket_in_its_own_spelling() -> None:
    # Short, since a long path moves the sockets elsewhere.
    folder = Path("/srv/halyard")
    socket = folder / "sockets" / "valkey.sock"
    own = embedded.urls(folder)
    assert own.redis == f"unix://{socket}?db=0"
    assert own.broker == f"redis+socket://{socket}?virtual_host=0"
    assert embedded.Urls("", "redis://cache.example:6379/0").broker == "redis://cache.example:6379/0"


@pytest.mark.usefixtures("servers")
def test_a_command_says_that_the_database_is_not_running(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "showmigrations"],
        cwd=embedded.BASE_DIR,
        env=outside(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Halyard's database is not running. Start everything with `make run`, or set DATABASE_URL.\n"
    )


@pytest.mark.usefixtures("servers")
def test_a_command_finds_the_running_database_by_itself(services: embedded.Services, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "contenttypes"],
        cwd=embedded.BASE_DIR,
        env=outside(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[ ] 0001_initial" in done.stdout
