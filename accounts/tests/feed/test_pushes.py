"""The line to the browser: what is pushed, when, and what a failure does not do."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import pytest_asyncio
from channels.layers import get_channel_layer
from django.db import transaction

from accounts import pulse
from accounts.feed import numbers, pushes, waiting
from accounts.models import User
from accounts.tests.feed.feeds import aside

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_layer")]
TEAM = 7


class Ear:
    """Hears what the team's pages hear."""

    def __init__(self, layer: Any, channel: str) -> None:
        self.layer, self.channel = layer, channel

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            return await self.layer.receive(self.channel)

    async def next_html(self) -> str:
        """What the next push shows; those that only have a number show nothing."""
        message = await self.next_push()
        while not message["html"]:
            message = await self.next_push()
        html: str = message["html"]
        return html

    async def next_push(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.next()
        assert message["type"] == "feed.html"
        return message


@pytest_asyncio.fixture
async def ear(own_layer: None) -> AsyncIterator[Ear]:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(pushes.group_of(TEAM), channel)
    await asyncio.to_thread(pushes.page_is_open, TEAM)
    yield Ear(layer, channel)
    await layer.group_discard(pushes.group_of(TEAM), channel)


def push(key: str, html: str) -> None:
    pushes.push_on_commit(TEAM, key, lambda: html)


def test_nothing_is_rendered_for_a_team_with_no_page_open() -> None:
    rendered = []

    def render() -> str:
        rendered.append("order.1")
        return ""

    nobody_is_here = 4_000_000
    with transaction.atomic():
        pushes.push_on_commit(nobody_is_here, "order.1", render)
    pushes.flush()
    assert rendered == []


async def test_a_page_that_opens_right_after_nobody_looked_hears_the_next_change(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, looks, asked = [time.monotonic()], list[float](), pulse.alive

    def alive(names: Iterable[str]) -> dict[str, bool]:
        looks.append(now[0])
        return asked(names)

    monkeypatch.setattr(pulse, "alive", alive)
    pusher = pushes.Pusher(clock=lambda: now[0])
    audience = waiting.Audience(pushes.group_of(TEAM), TEAM)
    await asyncio.to_thread(pulse.client().delete, f"halyard:pulse:page.{TEAM}")
    pusher.put(audience, "order.1", lambda: "seen by nobody")
    await asyncio.to_thread(pusher.flush, 5)
    for number in range(2, 20):
        pusher.put(audience, f"order.{number}", lambda: "seen")
    await asyncio.to_thread(pushes.page_is_open, TEAM)
    now[0] += waiting.GATHER_SECONDS
    pusher.put(audience, "order.20", lambda: "the last")
    heard = [(await ear.next_push())["html"] for _ in range(19)]
    assert heard == ["seen"] * 18 + ["the last"]
    # One for the first, and one for each round of those that had gathered, not one for each row.
    assert len(looks) <= 4


async def test_what_is_pushed_arrives(ear: Ear) -> None:
    await aside(lambda: push("order.1", "<tr>filled</tr>"))
    message = await ear.next()
    assert (message["type"], message["html"]) == ("feed.html", "<tr>filled</tr>")


async def test_nothing_is_rendered_before_the_commit(ear: Ear) -> None:
    events = []

    def render() -> str:
        events.append("rendered")
        return "<tr></tr>"

    def work() -> None:
        with transaction.atomic():
            pushes.push_on_commit(TEAM, "order.1", render)
            pushes.flush()
            events.append("committing")
        pushes.flush()

    await aside(work)
    assert events == ["committing", "rendered"]


async def test_what_is_rolled_back_is_never_pushed(ear: Ear) -> None:
    def work() -> None:
        with transaction.atomic():
            push("order.1", "never")
            transaction.set_rollback(True)
        push("order.2", "after")

    await aside(work)
    assert await ear.next_html() == "after"


async def test_changes_that_pile_up_are_rendered_once_with_the_last_state(ear: Ear) -> None:
    is_busy, goes_on = threading.Event(), threading.Event()

    def held_up() -> str:
        is_busy.set()
        assert goes_on.wait(5)
        return ""

    def work() -> None:
        pushes.push_on_commit(TEAM, "order.0", held_up)
        assert is_busy.wait(5)
        with transaction.atomic():
            push("order.1", "submitted")
            push("order.2", "other")
            push("order.1", "filled")
        goes_on.set()

    await aside(work)
    # What changes all the time keeps its place: it must not wait for ever behind what changes once.
    assert [await ear.next_html(), await ear.next_html()] == ["filled", "other"]


async def test_the_first_change_is_shown_at_once_and_those_that_follow_in_one_go(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock stands still until the row has rested: what is gathered does not hang on how busy this machine is."""
    order, now = {"status": "submitted"}, [time.monotonic()]
    pusher = pushes.Pusher(clock=lambda: now[0])
    audience = waiting.Audience(pushes.group_of(TEAM), TEAM)

    def changed(status: str, key: str = "order.1") -> None:
        order["status"] = status
        pusher.put(audience, key, lambda: order["status"])

    changed("submitted")
    first = await ear.next_push()
    changed("accepted")
    changed("filled")
    changed("filled", "order.2")
    other = await ear.next_push()
    now[0] += waiting.GATHER_SECONDS
    changed("filled", "order.3")
    last = [await ear.next_push(), await ear.next_push()]
    assert [first["html"], other["html"], *(each["html"] for each in last)] == [
        "submitted",
        "filled",
        "filled",
        "filled",
    ]
    assert [each["number"] - first["number"] for each in (other, *last)] == [1, 2, 3]


async def test_a_flood_of_one_team_does_not_stand_before_the_row_of_another(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "GATHER_SECONDS", 0)
    order, is_busy, goes_on = list[int](), threading.Event(), threading.Event()

    def rendered(team: int) -> str:
        order.append(team)
        return str(team)

    def held_up() -> str:
        is_busy.set()
        assert goes_on.wait(5)
        return rendered(TEAM)

    def work() -> None:
        pushes.push_on_commit(TEAM, "order.0", held_up)
        assert is_busy.wait(5)
        with transaction.atomic():
            for number in range(1, waiting.AT_ONCE - 1):
                pushes.push_on_commit(TEAM, f"order.{number}", lambda: rendered(TEAM))
            pushes.push_on_commit(TEAM + 1, "order.1", lambda: rendered(TEAM + 1))
        goes_on.set()

    await asyncio.to_thread(pushes.page_is_open, TEAM + 1)
    await aside(work)
    await asyncio.to_thread(pushes.flush)
    assert (len(order), order.index(TEAM + 1)) == (waiting.AT_ONCE, 2)


async def test_a_row_that_comes_while_another_team_floods_waits_for_two_of_it_and_no_more(ear: Ear) -> None:
    order, turns = list[int](), threading.Semaphore(0)
    busy = threading.Event()

    def rendered(team: int) -> str:
        order.append(team)
        busy.set()
        assert turns.acquire(timeout=5)
        return str(team)

    def work() -> None:
        with transaction.atomic():
            for number in range(10):
                pushes.push_on_commit(TEAM, f"order.{number}", lambda: rendered(TEAM))
        assert busy.wait(5)
        pushes.push_on_commit(TEAM + 1, "order.1", lambda: rendered(TEAM + 1))
        turns.release(11)

    await asyncio.to_thread(pushes.page_is_open, TEAM + 1)
    await aside(work)
    await asyncio.to_thread(pushes.flush)
    # One of them where the thread began with the first of the ten before the second was there.
    assert len(order) == 11
    assert order.index(TEAM + 1) <= 2


async def test_a_row_does_not_wait_for_what_costs_more(ear: Ear) -> None:
    threads: dict[str, str] = {}
    is_busy, goes_on = threading.Event(), threading.Event()

    def needs() -> str:
        threads["needs"] = threading.current_thread().name
        is_busy.set()
        assert goes_on.wait(5)
        return "needs"

    def work() -> None:
        pushes.push_on_commit(TEAM, "needs", needs, pause=0.5)
        assert is_busy.wait(5)
        push("order.1", "row")

    await aside(work)
    assert await ear.next_html() == "row"
    pushes._pusher().flush(0.01)
    assert not pushes._pusher()._idle.is_set(), "who waits until all is sent waits for both"
    goes_on.set()
    assert await ear.next_html() == "needs"
    await asyncio.to_thread(pushes.flush)
    assert pushes._pusher()._idle.is_set()
    assert threads == {"needs": "costly"}


async def test_where_what_costs_more_is_lost_a_number_is_missing(ear: Ear) -> None:
    def broken() -> str:
        raise ValueError("no such row")

    before = numbers.last(TEAM)
    await aside(lambda: pushes.push_on_commit(TEAM, "needs", broken, pause=0.5))
    told = await ear.next_push()
    assert (told["html"], told["number"] > before + 1) == ("", True)


async def test_a_team_with_too_many_rows_reads_again_what_its_pages_show(ear: Ear) -> None:
    rendered: list[str] = []

    def render() -> str:
        rendered.append("row")
        return "row"

    def work() -> None:
        with transaction.atomic():
            for number in range(waiting.MOST_OF_A_TEAM + 1):
                pushes.push_on_commit(TEAM, f"order.{number}", render)

    before = numbers.last(TEAM)
    await aside(work)
    told = await ear.next_push()
    assert (told["html"], rendered) == ("", [])
    assert told["number"] == before + 2


async def test_a_push_that_cannot_be_rendered_does_not_stop_the_others(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise ValueError("no such row")

    def work() -> None:
        with transaction.atomic():
            pushes.push_on_commit(TEAM, "order.1", broken)
            push("order.2", "whole")

    await aside(work)
    assert await ear.next_html() == "whole"


async def test_an_empty_rendering_leaves_no_gap(ear: Ear) -> None:
    def work() -> None:
        with transaction.atomic():
            push("order.1", "")
            push("order.2", "something")

    await aside(work)
    first, second = await ear.next_push(), await ear.next_push()
    assert [first["html"], second["html"]] == ["", "something"]
    assert second["number"] == first["number"] + 1


async def test_what_was_read_later_has_the_higher_number_though_it_arrives_first(ear: Ear) -> None:
    """Two processes push one order; the first reads it and is then held up until the second has told of the fill."""
    order, was_read, goes_on = {"status": "accepted"}, threading.Event(), threading.Event()

    def read_and_held_up() -> str:
        status = order["status"]
        was_read.set()
        assert goes_on.wait(5)
        return status

    slow, quick = pushes.Pusher(), pushes.Pusher()
    audience = waiting.Audience(pushes.group_of(TEAM), TEAM)
    slow.put(audience, "order.1", read_and_held_up)
    assert await asyncio.to_thread(was_read.wait, 5)
    order["status"] = "filled"
    quick.put(audience, "order.1", lambda: order["status"])
    first = await ear.next_push()
    goes_on.set()
    second = await ear.next_push()
    assert [first["html"], second["html"]] == ["filled", "accepted"]
    assert first["number"] > second["number"]


async def test_where_a_push_is_lost_a_number_is_missing(ear: Ear) -> None:
    def broken() -> str:
        raise ValueError("no such row")

    await aside(lambda: push("order.1", "before"))
    before = await ear.next_push()
    await aside(lambda: pushes.push_on_commit(TEAM, "order.2", broken))
    told = await ear.next_push()
    assert told["html"] == ""
    assert told["number"] > before["number"] + 1


async def test_what_could_not_be_told_is_told_when_valkey_is_back(
    ear: Ear, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "GAP_SECONDS", 0.05)
    await aside(lambda: push("order.1", "before"))
    before = await ear.next_push()
    url = settings.REDIS_URL
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock?db=0"
    await aside(lambda: push("order.2", "lost"))
    await asyncio.to_thread(pushes.flush)
    settings.REDIS_URL = url
    told = await ear.next_push()
    assert told["html"] == ""
    assert told["number"] > before["number"] + 1


def test_numbers_that_were_lost_do_not_come_back_lower(own_layer: None) -> None:
    before = [numbers.take(TEAM) for _ in range(3)]
    pulse.client().delete(*pulse.client().keys(f"*feed:{TEAM}"))
    assert numbers.take(TEAM) > max(before)


def test_an_open_page_that_was_not_known_of_hears_that_something_may_be_missing(own_layer: None) -> None:
    pushes.page_is_open(TEAM)
    before = numbers.last(TEAM)
    assert pushes.page_is_open(TEAM) == before
    # Its sign of life ran out: frozen by its browser, or forgotten by Valkey.
    pulse.client().delete(f"halyard:pulse:page.{TEAM}")
    assert pushes.page_is_open(TEAM) == before + 2


async def test_pushes_of_one_team_do_not_reach_another(ear: Ear) -> None:
    def work() -> None:
        with transaction.atomic():
            pushes.push_on_commit(TEAM + 1, "order.1", lambda: "theirs")
            push("order.1", "ours")

    await aside(work)
    assert await ear.next_html() == "ours"


async def test_leaving_is_told_after_the_commit(ear: Ear) -> None:
    await aside(lambda: pushes.disconnect_on_commit(TEAM, 42))
    assert await ear.next() == {"type": "feed.leave", "user_id": 42}


async def test_rendering_happens_off_the_thread_that_pushes(ear: Ear) -> None:
    threads: list[str] = []

    def render() -> str:
        threads.append(threading.current_thread().name)
        return "rendered"

    await aside(lambda: pushes.push_on_commit(TEAM, "order.1", render))
    assert await ear.next_html() == "rendered"
    assert threads == ["pusher"]


def test_without_redis_a_push_is_lost_and_nothing_else(settings: Any) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    config = {**layer["CONFIG"], "hosts": ["unix:///nonexistent/valkey.sock?db=0"]}
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": config}}
    push("order.1", "lost")
    pushes.flush()


async def test_a_round_that_fails_as_a_whole_does_not_stop_the_next(ear: Ear, django_db_blocker: Any) -> None:
    """The database is refused right after the last rendering, where the fault belongs to no single push."""

    def counted() -> str:
        return f"{User.objects.count()} users"

    def counted_for_the_last_time() -> str:
        text = counted()
        django_db_blocker.block()
        return text

    await aside(lambda: pushes.push_on_commit(TEAM, "users.1", counted_for_the_last_time))
    assert await ear.next_html() == "0 users"
    await asyncio.to_thread(pushes.flush)
    django_db_blocker.restore()
    await aside(lambda: pushes.push_on_commit(TEAM, "users.2", counted))
    assert await ear.next_html() == "0 users"


async def test_a_redis_that_hangs_holds_later_pushes_only_for_a_while(
    ear: Ear, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "SEND_SECONDS", 0.1)
    layer = settings.CHANNEL_LAYERS
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        config = {**layer["default"]["CONFIG"], "hosts": [address]}
        settings.CHANNEL_LAYERS = {"default": {**layer["default"], "CONFIG": config}}
        await aside(lambda: push("order.1", "lost"))
        await asyncio.to_thread(pushes.flush)
        settings.CHANNEL_LAYERS = layer
        await aside(lambda: push("order.2", "after"))
        assert await ear.next_html() == "after"
