"""`make run`: the embedded servers and every process of the Procfile, until Ctrl-C.

The supervisor is a small one of our own (docs/decisions/0011): a process that dies is started again, and none
outlives the supervisor, however that ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from config import embedded, env
from config.supervisor import ports, welcome
from config.supervisor.output import Output
from config.supervisor.processes import RUN_VARIABLE, Process, end_run, read_procfile, stop_all
from config.supervisor.starting import Starter, Wiring, known_words

LOOK_SECONDS = 0.25  # between two looks at the servers
WEB = "web"  # the process that the listening socket is for
LISTENER_VARIABLE = "HALYARD_WEB_FD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of a run, all known before anything starts."""

    folder: Path
    host: str
    port: int
    gateway_url: str
    own_database: bool
    own_redis: bool
    simulator: bool
    commands: Mapping[str, str]
    prepare: bool
    demo: bool
    run: str
    # Held by the supervisor for as long as it runs: while no web process is there, whoever comes waits. None where
    # another run has this folder.
    listener: socket.socket | None

    @property
    def web_url(self) -> str:
        local = self.host in {"127.0.0.1", "::1"} or self.everywhere
        return f"http://{'localhost' if local else self.host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether every network of this machine reaches the web process."""
        return self.host in {"0.0.0.0", "::"}  # noqa: S104  read, not bound to


def plan(procfile: Path, prepare: bool) -> Plan:
    """Read the environment; refuse settings that cannot work with a sentence that says why."""
    folder = embedded.data_folder()
    host, port = env.text("HOST", "127.0.0.1"), env.number("PORT", 8000, low=1, high=65535)
    listener = None
    if not embedded.is_running(folder):  # else the lock says it better than a port in use
        end_run(str(embedded.read_run(folder).get("run") or ""), patience=3)
        listener = ports.listen(host, port)
    resolved, own = embedded.resolve(), embedded.urls(folder)
    self_contained = resolved.database == own.database or env.flag("HALYARD_SELF_CONTAINED", False)
    simulator = env.flag("HALYARD_SIMULATOR", self_contained)
    commands = read_procfile(procfile)
    if not simulator:
        commands.pop("gateway", None)
    return Plan(
        folder=folder,
        host=host,
        port=port,
        gateway_url=env.text("HALYARD_GATEWAY_URL", f"http://127.0.0.1:{gateway_port(folder)}"),
        own_database=resolved.database == own.database,
        own_redis=resolved.redis == own.redis,
        simulator=simulator,
        commands=commands,
        prepare=prepare,
        # Its sign-in is for whoever sits at this machine; on a network it is made only where somebody asks for it.
        demo=env.flag("HALYARD_DEMO", ports.is_loopback(host)),
        run=secrets.token_hex(8),
        listener=listener,
    )


def gateway_port(folder: Path) -> int:
    """The simulator's port: HALYARD_GATEWAY_PORT, else the folder's own, else any free one."""
    if port := env.number("HALYARD_GATEWAY_PORT", 0, high=65535):
        return port
    return ports.free("127.0.0.1", urlsplit(embedded.gateway_url(folder)).port or 0)


def environment(plan: Plan) -> dict[str, str]:
    """The environment of every process of this run."""
    resolved = embedded.resolve()
    variables = {
        "DATABASE_URL": resolved.database,
        "REDIS_URL": resolved.redis,
        "HALYARD_DATA": str(plan.folder),
        "HALYARD_GATEWAY_URL": plan.gateway_url,
        "HALYARD_SIMULATOR": "on" if plan.simulator else "off",
        "HOST": plan.host,
        "PORT": str(plan.port),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        RUN_VARIABLE: plan.run,
    }
    return {**os.environ, **variables}


class Supervisor:
    """One run, from the first server to the last."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.environ = environment(plan)
        self.output = Output([*plan.commands, "postgres", "valkey", "prepare", "demo"])
        self.starter = Starter(self.note)
        self.processes = [
            Process(name, command, self.environ, self.output, self.starter) for name, command in plan.commands.items()
        ]
        self.services: embedded.Services | None = None
        self.stopping, self.hurry = asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        """Start everything, wait to be told to stop, stop everything."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)
        commands = self.plan.commands.values()
        if self.plan.prepare or any(known_words(command, self.environ) for command in commands):
            self.starter.load(self.environ)  # it loads while the servers start
        self.services = embedded.start(self.plan.folder, database=self.plan.own_database, redis=self.plan.own_redis)
        try:
            self.note()
            return await self._serve()
        finally:
            self.starter.close()
            self.services.stop()
            self.note(over=True)

    async def _serve(self) -> int:
        people: list[str] = []
        if self.plan.prepare:
            if (answer := await self._prepared()) is None:
                return 0 if self.stopping.is_set() else 1
            people = json.loads(answer)
        self._hand_over_listener()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(process.keep()) for process in self.processes]
                tasks += [group.create_task(self._keep_services()), group.create_task(self._welcome(people))]
                await self.stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self.output.say("Stopping.")
            if self.plan.listener is not None:
                self.plan.listener.close()  # from here on, whoever comes is refused
            await stop_all(self.processes, self.hurry)
            end_run(self.plan.run, patience=0)
        return 0

    async def _prepared(self) -> str | None:
        self.output.say("Preparing the database.")
        done = await self._run("prepare", "python -m config.supervisor.prepare")
        if done is None and not self.stopping.is_set():
            self.output.say("The database could not be prepared; the lines above say why.")
        return done

    def _hand_over_listener(self) -> None:
        for process in self.processes:
            if process.name == WEB and self.plan.listener is not None:
                process.listener = self.plan.listener.fileno()
                process.environ = {**self.environ, LISTENER_VARIABLE: str(process.listener)}

    async def _keep_services(self) -> None:
        assert self.services is not None
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            self.starter.reap_orphans(self.services.pids.values())
            revived = self.services.revive()
            for name in revived:
                self.output.line(name, "had ended; it was started again on the same socket.")
            if revived:
                self.note()
            # Twice in a row means that a server cannot stay up: try it less often, and spare its log.
            pause = min(pause * 2, 10.0) if revived else LOOK_SECONDS

    async def _welcome(self, people: list[str]) -> None:
        plan, demo = self.plan, None
        if plan.prepare and plan.own_database and plan.simulator:
            urls = welcome.Urls(plan.web_url, plan.gateway_url)
            demo = await welcome.demo(plan.folder, people, urls, self._manage, make=plan.demo)
        if await welcome.ready(plan.host, plan.port, self.output):
            named = os.environ.get("HALYARD_PUBLIC_URL") or os.environ.get("HALYARD_ALLOWED_HOSTS")
            self.output.block(welcome.banner(plan.web_url, demo, nameless=plan.everywhere and not named))

    async def _manage(self, *words: str) -> str | None:
        """Run a manage.py command; its output, or None when it failed (its lines are then shown)."""
        return await self._run(words[0], f"python manage.py {shlex.join(words)}")

    async def _run(self, name: str, command: str) -> str | None:
        out, errors = self._draft(), self._draft()
        with out, errors:
            wiring = Wiring(stdout=out.fileno(), stderr=errors.fileno())
            child = await self.starter.start(name, command, self.environ, wiring)
            end = asyncio.create_task(self.starter.wait(child))
            stop = asyncio.create_task(self.stopping.wait())
            await asyncio.wait([end, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not end.done():
                os.kill(child.pid, signal.SIGKILL)
            code = await end
            out.seek(0)
            errors.seek(0)
            said, complaints = out.read().decode(), errors.read().decode(errors="replace")
        if code == 0:
            return said
        if not self.stopping.is_set():
            for line in (said + complaints).splitlines():
                self.output.line(name, line)
        return None

    @staticmethod
    def _draft() -> IO[bytes]:
        # A file and not a pipe: nobody has to read while the command writes.
        return tempfile.TemporaryFile()

    def _stop(self) -> None:
        (self.hurry if self.stopping.is_set() else self.stopping).set()

    def note(self, over: bool = False) -> None:
        """Write run.json: the run's addresses and process ids, for commands, tests and people."""
        running = {process.name: process.pid for process in self.processes if process.pid}
        if self.starter.pid:
            running["template"] = self.starter.pid
        state: dict[str, Any] = {
            "run": self.plan.run,
            "pid": None if over else os.getpid(),
            "host": self.plan.host,
            "port": self.plan.port,
            "web_url": self.plan.web_url,
            "gateway_url": self.plan.gateway_url,
            "processes": {} if over or self.services is None else {**self.services.pids, **running},
        }
        draft = self.plan.folder / "run.json.new"
        draft.write_text(json.dumps(state, indent=2) + "\n")
        draft.replace(self.plan.folder / "run.json")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m config.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--procfile", type=Path, default=embedded.BASE_DIR / "Procfile")
    parser.add_argument("--only-processes", action="store_true", help="skip the migrations and the demo")
    options = parser.parse_args()
    try:
        return asyncio.run(Supervisor(plan(options.procfile, not options.only_processes)).run())
    except (embedded.EmbeddedError, env.SettingError, ports.PortError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
