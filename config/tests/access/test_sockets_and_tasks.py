"""Every socket opened by everybody, and every task begun by anybody who can put a message into the queue."""

from __future__ import annotations

import inspect
import uuid
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from accounts import teams
from accounts.feed.routing import websocket_urlpatterns
from accounts.models import Membership, Role, Team, User
from accounts.tests.conftest import own_layer  # noqa: F401  a fixture
from accounts.tests.feed.feeds import Page, aside, signed_in
from brokers.tasks import work
from config.celery import app
from config.tests.access.table import SOCKETS, TASKS
from config.tests.access.world import NOWHERE, undone, world

app.loader.import_default_modules()


def test_every_socket_and_every_task_has_its_entry() -> None:
    sockets = {str(entry.pattern) for entry in websocket_urlpatterns}
    assert sockets == set(SOCKETS), (
        f"Nobody has said who hears at {sockets ^ set(SOCKETS)}. Add a line to SOCKETS in config/tests/access/table.py."
    )
    tasks = {name for name in app.tasks if not name.startswith("celery.")}
    assert tasks == set(TASKS), (
        f"Nobody has said what {tasks ^ set(TASKS)} takes. Add a line to TASKS in config/tests/access/table.py; a task "
        "that takes the id of a row has to be harmless with that of another team's, and its test belongs here."
    )


def test_no_task_takes_more_than_the_table_says() -> None:
    for name, arguments in TASKS.items():
        assert set(inspect.signature(app.tasks[name].run).parameters) == arguments, name


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_layer")
async def test_only_members_hear_what_a_team_does(team: Team, alice: User, bob: User, charlie: User) -> None:
    sessions: dict[str, str | None] = {"nobody": None}

    def people() -> None:
        teams.found_team(owner=charlie, name="Charlie's", now=timezone.now())
        dave = User.objects.create_user("dave@example.com", "a password")
        gone = Membership.objects.create(team=team, user=dave, role=Role.TRADER)
        teams.remove(membership=gone, actor=alice, now=timezone.now())
        for name, user in (("owner", alice), ("viewer", bob), ("stranger", charlie), ("removed", dave)):
            sessions[name] = signed_in(user)

    async def ends(who: str, code: uuid.UUID) -> list[bool]:
        shut = []
        for entry in websocket_urlpatterns:
            path = "/" + str(entry.pattern).replace("<uuid:team_code>", str(code))
            page = await Page(path, sessions[who]).open()
            await page.say(text="ping")
            first = await page.hear()
            shut.append(first == {"type": "websocket.close", "code": 4404})
            if not shut[-1]:
                await page.leave()
        return shut

    await aside(people)
    for who in ("nobody", "stranger", "removed"):
        assert await ends(who, team.code) == await ends(who, NOWHERE) == [True], who
    for who in ("viewer", "owner"):
        assert await ends(who, team.code) == [False], who
    await aside(lambda: Team.objects.update(second_factor_from="viewer"))
    for who in ("viewer", "owner"):
        assert await ends(who, team.code) == [True], who


@pytest.mark.django_db
@pytest.mark.parametrize("shard", [-1, 1_000_000, 2**70, "0", None, "'; DROP TABLE", 0.5, [0], {"shard": 0}])
def test_a_shard_that_is_none_begins_nothing(shard: Any) -> None:
    work.run(shard=shard)


@pytest.mark.django_db
def test_tasks_of_the_clock_change_nothing_the_second_time(now: datetime, servers: None) -> None:
    """Whoever slips a message into the queue can only begin what is due anyway, for every team alike."""
    world(now)

    def everything() -> dict[str, list[Any]]:
        models = [
            model for model in apps.get_models() if model._meta.app_label in {"accounts", "brokers", "strategies"}
        ]
        return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}

    for name in sorted(set(TASKS) - {"brokers.work", "brokers.sweep", "strategies.decide", "strategies.sweep"}):
        with undone():
            app.tasks[name].run()
            first = everything()
            app.tasks[name].run()
            assert everything() == first, name
