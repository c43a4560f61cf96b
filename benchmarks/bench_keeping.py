"""Whole sessions kept alive by a stream process: what each costs a minute, in processor time of that process.

    python -m benchmarks.bench_keeping [--sessions 1500] [--seconds 60] [--settle 180] [--shards 1] [--tls]

A stream process as the Procfile starts it, on a Postgres and a Valkey of its own, watches so many paper users of a
simulated gateway: sign-in, first reads, websockets, tickles with their turn of the shared pace, rows, books and the log
of calls. Only its own processor time counts; the gateway, Postgres and Valkey are processes of their own. The baseline
of the same run is a bare HTTP client that tickles the same users.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database
from brokers.simulator.testing.gateway import RunningGateway, running_gateway

GOAL_SESSIONS, GOAL_SHARE = 10_000, 0.20
AT_ONCE = 20
# So many users are asked what they asked for.
SAMPLE = 50
# Opening takes as long as it takes: so long for the first, and so much more for each.
PATIENCE_S, PATIENCE_EACH_S = 600, 0.5
SETTLE_S = 3.0
ALONE_S = 15.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured: seconds of processor over all stream processes, megabytes, and how much was done for it."""

    sessions: int
    shards: int
    alone: float
    opening: float
    cpu: float
    wall: float
    servers: float
    memory: float
    calls: Counter[str]
    kept: int
    bare: float

    @property
    def minute(self) -> float:
        """Processor seconds of one session in one minute, without what the processes take for themselves."""
        return max(0.0, self.cpu - self.alone * self.wall) / self.sessions * 60 / self.wall

    @property
    def share(self) -> float:
        """Of a core, for the number of sessions of the goal in one process."""
        return self.alone / self.shards + self.minute * GOAL_SESSIONS / 60


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=60, help="how long is measured, once all sessions are open")
    parser.add_argument(
        "--settle", type=float, default=180, help="seconds before, in which what opening left behind ends"
    )
    parser.add_argument("--shards", type=int, default=1, help="so many stream processes share the sessions")
    parser.add_argument("--tls", action="store_true", help="over TLS, by the pin of the gateway's own certificate")
    options = parser.parse_args(argv)
    os.environ |= {"HALYARD_GATEWAY_RANGES": "127.0.0.0/8", "HALYARD_GATEWAY_PORTS": "1024-65535"}
    # A line that beats as IBKR's does: every ten seconds.
    with migrated_database() as folder, running_gateway(behaviour={"heartbeat_s": 10}, tls=options.tls) as gateway:
        report(measure(folder, gateway, options))


def measure(folder: Path, gateway: RunningGateway, options: argparse.Namespace) -> Figures:
    sessions, seconds, shards = int(options.sessions), float(options.seconds), int(options.shards)
    users = [f"keep{number}" for number in range(sessions)]
    bare = asyncio.run(bare_tickles(gateway, users))
    with streams(shards) as running:
        pids = [process.pid for process in running]
        wait_until_there(shards)
        time.sleep(SETTLE_S)
        alone, began = sum(map(cpu_of, pids)), time.monotonic()
        time.sleep(min(ALONE_S, seconds))
        opening = sum(map(cpu_of, pids))
        alone = (opening - alone) / (time.monotonic() - began)
        connect(gateway, users)
        wait_until_open(sessions, running)
        opened = sum(map(cpu_of, pids))
        time.sleep(options.settle)
        cpu, began = sum(map(cpu_of, pids)), time.monotonic()
        opening = opened - opening
        servers = servers_cpu(folder)
        forget(gateway, users[:SAMPLE])
        time.sleep(seconds)
        cpu, wall = sum(map(cpu_of, pids)) - cpu, time.monotonic() - began
        return Figures(
            sessions=sessions,
            shards=shards,
            alone=alone,
            opening=opening / sessions,
            cpu=cpu,
            wall=wall,
            servers=servers_cpu(folder) - servers,
            memory=sum(map(memory_of, pids)),
            calls=requests(gateway, users[:SAMPLE]),
            kept=kept(),
            bare=bare,
        )


def report(figures: Figures) -> None:
    # So few sessions may cost less than what the process by itself is counted with.
    each, per = max(figures.minute, 1e-9), figures.sessions * figures.wall / 60
    share = figures.share * 100
    note(Figure(what=f"{GOAL_SESSIONS:,} sessions, of a core", figure=share, unit="%", goal=GOAL_SHARE * 100))
    sample = min(SAMPLE, figures.sessions)
    calls = ", ".join(f"{name} {n / sample / figures.wall * 60:.2f}" for name, n in sorted(figures.calls.items()))
    print(
        f"{figures.kept} of {figures.sessions} sessions are active after {figures.wall:.0f} s in {figures.shards} process"
        f"{'es' * (figures.shards > 1)}; opening one took {figures.opening * 1000:.1f} ms of processor",
        f"  requests of a session a minute, of {sample}: {calls}",
        f"  a session a minute: {each * 1e6:.0f} us of processor, {each / figures.bare:.1f} times a bare tickle"
        f" ({figures.bare * 1e6:.0f} us); Postgres and Valkey {figures.servers / per * 1e6:.0f} us",
        f"  the process{'es' * (figures.shards > 1)} alone: {figures.alone:.1%} of a core, in none of the figures of a session",
        f"  memory: {figures.memory:.0f} MB, {figures.memory / figures.sessions * 1000:.0f} kB a session with the process's own",
        f"  sessions per core: {60 / each:,.0f}; {GOAL_SESSIONS:,} would take {figures.share:.0%} of a core"
        f" (goal {GOAL_SHARE:.0%}; scaled from {figures.sessions})",
        sep="\n",
    )


async def bare_tickles(gateway: RunningGateway, users: Sequence[str]) -> float:
    """Processor seconds of a tickle sent by a bare client that keeps its lines."""
    import aiohttp

    from brokers.certificates import PinnedContext
    from brokers.domain.certificates import fingerprint

    slots = asyncio.Semaphore(AT_ONCE)
    pinned = PinnedContext.of(fingerprint(gateway.fingerprint)) if gateway.tls else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=pinned)) as http:

        async def post(user: str, path: str, body: object = None) -> None:
            async with slots, http.post(f"{gateway.base_url(user)}/{path}", json=body) as answer:
                await answer.json()

        opened = {"publish": True, "compete": True}
        await asyncio.gather(*(post(user, "iserver/auth/ssodh/init", opened) for user in users))
        cpu = time.process_time()
        await asyncio.gather(*(post(user, "tickle") for user in users))
        return (time.process_time() - cpu) / len(users)


def connect(gateway: RunningGateway, users: Sequence[str]) -> None:
    """A connection to each user's gateway, as a person would make it."""
    from django.utils import timezone

    from accounts import teams
    from accounts.models import User
    from accounts.vault.fields import Sealed
    from brokers.connections.connections import wake
    from brokers.domain.sessions import Environment
    from brokers.models import Connection

    owner = User.objects.create_user("owner@example.com", "a password")
    team = teams.found_team(owner=owner, name="Many sessions", now=timezone.now())
    secrets = Sealed.of({"certificate_sha256": gateway.fingerprint} if gateway.tls else {})
    made = [
        Connection(
            team=team,
            name=user,
            username=user,
            environment=Environment.PAPER,
            base_url=gateway.base_url(user),
            secrets=secrets,
        )
        for user in users
    ]
    # A statement holds 65,535 values.
    Connection.objects.bulk_create(made, batch_size=500)
    wake()


@contextlib.contextmanager
def streams(shards: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many stream processes, which share the connections."""
    command = [sys.executable, "manage.py", "stream", "--shards", str(shards)]
    running = [subprocess.Popen([*command, "--shard", str(shard)]) for shard in range(shards)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def wait_until_there(shards: int) -> None:
    """Return once every shard has its process."""
    from django.db import connection

    from brokers.postgres.locks import Space

    give_up = time.monotonic() + PATIENCE_S
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT objid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s",
                [int(Space.STREAM)],
            )
            if cursor.fetchone()[0] == shards:
                return
        if time.monotonic() > give_up:
            raise SystemExit("The stream processes did not start.")
        time.sleep(0.2)


def wait_until_open(sessions: int, running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Return once every session is active and every book is read."""
    from brokers.models import BrokerageAccount, Connection

    give_up = time.monotonic() + PATIENCE_S + PATIENCE_EACH_S * sessions
    while True:
        active = Connection.objects.filter(session_status="active").count()
        read = BrokerageAccount.objects.exclude(book_as_of=None).count()
        if active == sessions and read >= sessions:
            return
        if any(process.poll() is not None for process in running):
            raise SystemExit("A stream process ended.")
        if time.monotonic() > give_up:
            raise SystemExit(f"Only {active} of {sessions} sessions opened, and {read} books were read.")
        time.sleep(0.5)


def kept() -> int:
    """Sessions that are active now and kept as lately as orders want it."""
    from django.utils import timezone

    from brokers.connections.sessions import believed_active
    from brokers.models import Connection

    return sum(believed_active(each, timezone.now()) for each in Connection.objects.all())


def forget(gateway: RunningGateway, users: Sequence[str]) -> None:
    """Let the gateway's journals of some users begin anew."""
    for user in users:
        gateway.control("DELETE", f"/{user}/journal")


def requests(gateway: RunningGateway, users: Sequence[str]) -> Counter[str]:
    """How often these users asked for what, by the gateway's journals: the log of calls leaves tickles out."""
    return Counter(entry["path"].rsplit("/", 1)[-1] for user in users for entry in gateway.journal(user))


def cpu_of(pid: int) -> float:
    """Seconds of processor that a process has used, by itself and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def servers_cpu(folder: Path) -> float:
    """The same of Postgres with all its processes, and of Valkey."""
    return sum(
        cpu_of(int(place.name))
        for place in Path("/proc").iterdir()
        if place.name.isdigit() and _belongs(place, str(folder))
    )


def _belongs(place: Path, folder: str) -> bool:
    with contextlib.suppress(OSError):
        parent = (place / "stat").read_text().rsplit(")", 1)[1].split()[1]
        lines = [(place / "cmdline").read_text(), (place.parent / parent / "cmdline").read_text()]
        return any(folder in line and "manage.py" not in line for line in lines)
    return False


def memory_of(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


if __name__ == "__main__":
    main()
