"""The supervisor, for real, with a Procfile of small programs."""

from __future__ import annotations

import asyncio
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import embedded
from config.supervisor import ports, processes, starting, welcome
from config.supervisor.output import Output
from config.tests.watching import eventually, is_alive, outside

WEB = """
import http.server, os, socket
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *words):
        print("asked for", self.path)
server = http.server.HTTPServer(("", 0), Page, bind_and_activate=False)
server.socket = socket.socket(fileno=int(os.environ["HALYARD_WEB_FD"]))
server.serve_forever()
"""
# Starts a helper that outlives it, and says who the helper is.
WORKER = """
import subprocess, sys, time
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("helper", helper.pid)
time.sleep(600)
"""


class Run:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, tmp_path: Path, port: int) -> None:
        self.folder, self.port = folder, port
        procfile = tmp_path / "Procfile"
        procfile.write_text(f"web: python {tmp_path}/web.py\n# a remark\nworker: python {tmp_path}/worker.py\n")
        (tmp_path / "web.py").write_text(WEB)
        (tmp_path / "worker.py").write_text(WORKER)
        self.log = tmp_path / "output"
        self.command = [sys.executable, "-m", "config.run", "--only-processes", "--procfile", str(procfile)]
        self.process: subprocess.Popen[bytes] | None = None
        self.started: set[int] = set()

    def start(self, **variables: str) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=embedded.BASE_DIR,
                env=outside(self.folder, PORT=str(self.port), **variables),
                stdout=log,
                stderr=log,
            )
        assert eventually(lambda: {"web", "worker"} <= self.pids.keys()), self.output

    def refused(self, **variables: str) -> str:
        """Start it expecting a refusal; its one sentence."""
        environ = outside(self.folder, **{"PORT": str(self.port), **variables})
        done = subprocess.run(
            self.command, cwd=embedded.BASE_DIR, env=environ, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        return done.stderr.strip()

    @property
    def state(self) -> dict[str, Any]:
        running = embedded.read_run(self.folder)
        return running if self.process and running.get("pid") == self.process.pid else {}

    @property
    def pids(self) -> dict[str, int]:
        running: dict[str, int] = self.state.get("processes", {})
        self.started |= set(running.values())
        return running

    @property
    def output(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def helpers(self) -> list[int]:
        return [int(line.rpartition(" ")[2]) for line in self.output.splitlines() if "| helper " in line]

    def send(self, number: signal.Signals) -> int:
        """Send the supervisor a signal and wait for its end."""
        assert self.process is not None
        self.started |= {*self.pids.values(), *self.helpers}
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)


@pytest.fixture
def port() -> int:
    return ports.free("127.0.0.1", 0)


@pytest.fixture
def run(servers: None, tmp_path: Path, port: int) -> Iterator[Run]:
    made = Run(tmp_path / "data", tmp_path, port)
    yield made
    made.close()


def test_it_starts_a_killed_process_again_and_leaves_the_others_alone(run: Run) -> None:
    run.start()
    assert eventually(lambda: run.helpers)
    before, helper = run.pids, run.helpers[0]
    os.kill(before["worker"], signal.SIGKILL)
    assert eventually(lambda: run.pids.get("worker") not in {None, before["worker"]})
    assert "worker   | was ended by SIGKILL; starting it again in 0.2 s." in run.output
    assert {name: pid for name, pid in run.pids.items() if name != "worker"} == {
        name: pid for name, pid in before.items() if name != "worker"
    }
    assert eventually(lambda: not is_alive(helper)), "what the killed process had started ran on beside its successor"


def test_who_comes_while_the_web_process_is_dead_waits_and_is_not_refused(run: Run) -> None:
    run.start()
    assert eventually(lambda: "asked for /readyz" in run.output)
    os.kill(run.pids["web"], signal.SIGSTOP)  # it accepts nobody any more
    with socket.create_connection(("127.0.0.1", run.port), timeout=60) as client:
        before = run.pids["web"]
        os.kill(before, signal.SIGKILL)
        client.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 404")
    assert run.pids["web"] != before


def test_what_a_killed_process_leaves_behind_is_collected(run: Run) -> None:
    """A worker's pool becomes the supervisor's when the worker is killed; ended, it would stay in the system's table."""
    run.start()
    assert eventually(lambda: run.helpers)
    helper = run.helpers[0]
    os.kill(run.pids["worker"], signal.SIGKILL)
    assert eventually(lambda: not Path(f"/proc/{helper}").exists())


def test_it_starts_a_killed_database_again_on_the_same_socket(run: Run) -> None:
    run.start()
    before = run.pids
    os.kill(before["postgres"], signal.SIGKILL)

    def answers() -> bool:
        try:
            psycopg.connect(embedded.urls(run.folder).database).close()
        except psycopg.OperationalError:
            return False
        return run.pids["postgres"] != before["postgres"]

    assert eventually(answers)
    assert run.pids["web"] == before["web"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_everything_in_order_and_leaves_nothing_behind(run: Run, number: signal.Signals) -> None:
    run.start()
    assert eventually(lambda: run.helpers)
    assert run.send(number) == 0
    assert len(run.started) == 5  # two servers, two processes, one helper
    assert not [pid for pid in run.started if is_alive(pid)]
    assert not embedded.is_running(run.folder)
    assert embedded.read_run(run.folder)["pid"] is None


def test_a_killed_supervisor_takes_its_processes_with_it_and_the_next_run_starts_clean(run: Run) -> None:
    run.start()
    assert eventually(lambda: run.helpers)
    run.send(signal.SIGKILL)
    helper = run.helpers[0]
    assert eventually(lambda: not [pid for pid in run.started if is_alive(pid) and pid != helper])
    run.start()
    assert not is_alive(helper)
    assert run.send(signal.SIGTERM) == 0


def test_it_tells_where_to_go_once_everything_answers(run: Run) -> None:
    run.start()
    assert eventually(lambda: "Halyard is ready" in run.output)
    assert f"http://localhost:{run.port}" in run.output
    assert "web      | asked for /readyz" in run.output


def test_the_gateway_keeps_its_port_from_run_to_run(run: Run) -> None:
    run.start(HALYARD_GATEWAY_PORT=str(ports.free("127.0.0.1", 0)))
    first = run.state["gateway_url"]
    run.send(signal.SIGTERM)
    run.start()
    assert run.state["gateway_url"] == first == embedded.gateway_url(run.folder)


def test_two_installations_have_gateways_of_their_own(tmp_path: Path) -> None:
    first, second = embedded.gateway_url(tmp_path / "one"), embedded.gateway_url(tmp_path / "two")
    assert first != second
    assert first == embedded.gateway_url(tmp_path / "one")


def test_it_refuses_a_port_in_use_in_a_sentence(run: Run) -> None:
    with socket.create_server(("127.0.0.1", run.port)):
        assert run.refused() == (
            f"Port {run.port} is in use. Stop the program that uses it, or choose another: make run PORT={run.port + 1}"
        )
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT is 'eighty'. Use a whole number from 1 to 65535."),
        (
            {"HOST": "203.0.113.7"},
            "HOST is '203.0.113.7', which is no address of this machine. Use 127.0.0.1 or 0.0.0.0.",
        ),
        ({"HALYARD_SIMULATOR": "perhaps"}, "HALYARD_SIMULATOR is 'perhaps'. Use 'on' or 'off'."),
    ],
)
def test_it_refuses_a_setting_it_cannot_read_in_a_sentence(run: Run, variables: dict[str, str], sentence: str) -> None:
    assert run.refused(**variables) == sentence


def test_it_refuses_a_folder_that_is_not_ours_in_a_sentence(run: Run) -> None:
    run.folder.mkdir()
    (run.folder / "holiday.jpg").touch()
    assert run.refused().startswith(f"{run.folder} is not a data folder of Halyard")


def test_a_second_run_on_the_same_folder_is_refused_in_a_sentence(run: Run) -> None:
    run.start()
    before = run.pids
    assert run.refused() == (
        f"Another Halyard (process {run.state['pid']}) is using {run.folder}. "
        "Stop it, or set HALYARD_DATA to another folder."
    )
    assert run.pids == before
    assert all(is_alive(pid) for pid in before.values())


@pytest.mark.usefixtures("servers")
async def test_a_process_that_does_not_want_to_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    deaf = "python -c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(600)'"
    listening = asyncio.Event()
    output = Output(["deaf"], io.StringIO())
    monkeypatch.setattr(output, "line", lambda name, text: listening.set())
    environ = {"PATH": str(Path(sys.executable).parent), "PYTHONUNBUFFERED": "1"}
    process = processes.Process("deaf", deaf, environ, output, starting.Starter())
    keeper = asyncio.create_task(process.keep())
    await asyncio.wait_for(listening.wait(), 10)
    pid = process.pid
    keeper.cancel()
    await processes.stop_all([process], asyncio.Event())
    assert pid is not None
    assert not is_alive(pid)


def test_the_procfile_names_the_four_processes() -> None:
    commands = processes.read_procfile(embedded.BASE_DIR / "Procfile")
    assert list(commands) == ["web", "worker", "stream", "gateway"]
    assert "signals,orders,housekeeping" in commands["worker"]


def test_the_curl_line_survives_a_shell() -> None:
    url = "http://localhost:8000/trading/webhook/4d5a/pass'word"
    words = shlex.split(welcome.curl(url))
    assert words[0] == "curl"
    assert words[-1] == url
    assert '{"ticker": "AAPL", "action": "buy", "quantity": 10}' in words


def test_what_is_not_ready_is_named() -> None:
    body = '{"status": "unavailable", "database": "ok", "worker": "no sign of life for 30 s", "gateway": "off"}'
    assert welcome.missing(body) == "worker (no sign of life for 30 s)"
    assert welcome.missing("") == "the web process does not"
