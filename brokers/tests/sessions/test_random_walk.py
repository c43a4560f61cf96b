"""A long walk through faults of sessions: what is shown is what is true, all the while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from brokers.tests.sessions.watched import shown, until_shown
from config.tests.samples import samples

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.walk]

# All of it: SESSION_STEPS=500.
STEPS = int(os.environ.get("SESSION_STEPS", "0")) or samples(40)
SEED = int(os.environ.get("SESSION_SEED", "7"))
# What is shown may be behind what is true by so many seconds, while the news is on its way. A machine that is shared by
# many takes its time.
BEHIND = float(os.environ.get("SESSION_BEHIND", "6"))


@dataclass
class Walk:
    """One user's session, disturbed at random, and watched from both sides."""

    gateway: RunningGateway
    bench: lab.Lab
    dice: random.Random
    steps: list[str] = field(default_factory=list)
    wrong_since: float | None = None
    worst: float = 0.0
    mismatches: list[str] = field(default_factory=list)

    @property
    def user(self) -> str:
        return self.bench.user

    def truths(self) -> set[str]:
        """The words that are true of the session now."""
        if self.gateway.process is None:
            return {"unreachable"}
        try:
            truth: dict[str, Any] = self.gateway.session(self.user)
        except OSError:
            return {"unreachable"}
        if truth["nights"]:
            return {"unreachable"}
        if truth["person_needed"]:
            return {"signed_out"}
        match truth["stage"]:
            case "established":
                return {"active"}
            case "competing":
                return {"competing"}
            case _:
                return {"connecting", "not_opened"}

    async def watch(self) -> None:
        """Compare what is shown with what is true, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            before = await asyncio.to_thread(self.truths)
            status, code = await asyncio.to_thread(lab.asked, lambda: shown(self.bench.connection))
            true = before | await asyncio.to_thread(self.truths)
            if status in true:
                self.wrong_since = None
            else:
                self.wrong_since = self.wrong_since or loop.time()
                behind = loop.time() - self.wrong_since
                self.worst = max(self.worst, behind)
                if behind > BEHIND:
                    last = ", ".join(self.steps[-4:])
                    self.mismatches.append(
                        f"shown {status}/{code} while {sorted(true)} for {behind:.1f} s after {last}"
                    )
                    self.wrong_since = None
            await asyncio.sleep(0.05)

    def press(self) -> None:
        """Somebody asks for a look."""
        connections.verify(connection=self.bench.connection, actor=None, now=timezone.now())

    async def step(self) -> None:
        name = self.dice.choice(list(_STEPS))
        self.steps.append(name)
        await asyncio.to_thread(lab.asked, lambda: _STEPS[name](self))
        await asyncio.sleep(self.dice.uniform(0.1, 1.5))


def _night(walk: Walk) -> None:
    window = {"start_s": 0, "duration_s": walk.dice.uniform(0.5, 2)}
    walk.gateway.control("POST", f"/{walk.user}/daily_reset", window)


def _crash(walk: Walk) -> None:
    walk.gateway.kill()
    walk.gateway.restart()


def _fault(preset: str, **action: Any) -> Any:
    def arm(walk: Walk) -> None:
        walk.gateway.fault(preset=preset, match={"user": walk.user}, action=action, ttl_s=3)
        walk.gateway.lose(walk.user)

    return arm


def _back(walk: Walk) -> None:
    walk.gateway.person_signs_in(walk.user)
    walk.press()


_STEPS: dict[str, Any] = {
    "tws": lambda walk: walk.gateway.tws(walk.user),
    "tws insists": lambda walk: walk.gateway.tws(walk.user, insists_s=1),
    "leave": lambda walk: walk.gateway.leave(walk.user),
    "lose": lambda walk: walk.gateway.lose(walk.user),
    "sign out": lambda walk: walk.gateway.sign_out(walk.user),
    "sign in": _back,
    "sign in again": _back,
    "press": Walk.press,
    "night": _night,
    "crash": _crash,
    "cut": lambda walk: walk.gateway.close_sockets(walk.user),
    "slow": _fault("delayed_established", delay_established_ms=800),
    "wait": _fault("ssodh_wait"),
    "gone": _fault("http_410_gone_init"),
    "form": _fault("login_without_session", session_wants_form={"s": 2}),
    "identity": _fault("identity_check_wanted", session_stays_closed={"s": 2}),
}


def test_what_is_shown_is_true_all_the_while(team: Team, settings: Any) -> None:
    # A crash of the gateway must not take anybody else's with it.
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        walk = Walk(gateway, lab.make(team, gateway), random.Random(SEED))

        async def main() -> None:
            async with lab.watching():
                await until_shown(walk.bench.connection, "active")
                watcher = asyncio.create_task(walk.watch())
                for _ in range(STEPS):
                    await walk.step()
                # In the end all of it heals once the others are gone and the person is there.
                await asyncio.to_thread(gateway.clear_faults)
                await asyncio.to_thread(gateway.leave, walk.user)
                await asyncio.to_thread(lab.asked, lambda: _back(walk))
                await until_shown(walk.bench.connection, "active", within=40)
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

        asyncio.run(main())
        assert walk.mismatches == []
        print(f"{STEPS} steps, at worst {walk.worst:.1f} s behind")  # noqa: T201 - for who runs all of it
