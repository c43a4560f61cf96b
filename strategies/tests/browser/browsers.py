"""A real web server over the test's own database, and a real browser in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import User

PHONE = {"viewport": {"width": 360, "height": 780}, "is_mobile": True, "has_touch": True}
Opener = Callable[..., Page]

# The one without windows first: the same engine for half of the processor time.
CANDIDATES = (
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def chromium() -> str | None:
    """The browser to drive: the one named in CHROMIUM, else the usual places."""
    named = os.environ.get("CHROMIUM", "")
    return next((path for path in (named, *CANDIDATES) if path and shutil.which(path)), None)


class Web:
    """Pages and websockets of the installation, from this process; `stop` and `start` make a gap in the line."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        from config.asgi import application

        config = uvicorn.Config(
            application,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            lifespan="off",
            ws="accounts.feed.lines:Line",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.thread.start()
        patience = time.monotonic() + 20
        while not self.server.started:
            assert time.monotonic() < patience, "the web server did not start"
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def _serve(self) -> None:
        await self.server.serve()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """A running browser.

    Playwright keeps an event loop in this thread as long as it runs, and the ORM is used from it all the same.
    """
    path = chromium()
    if path is None and os.environ.get("HALYARD_REQUIRE_BROWSER") == "1":
        pytest.fail("no Chromium on this machine, and this run does not do without; `bin/chromium` installs one")
    if path is None:
        pytest.skip("no Chromium on this machine; `bin/chromium` installs one")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """For a file of tests elsewhere; those beside this module share one browser."""
    with launched() as running:
        yield running


@pytest.fixture
def web(browser: Browser, transactional_db: None, settings: Any) -> Iterator[Web]:
    """The web server, with groups of its own in the shared Redis."""
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "prefix": f"browser-{uuid.uuid4()}"}}}
    running = Web()
    settings.PUBLIC_URL = running.url
    yield running
    running.stop()
    for connection in connections.all(initialized_only=True):
        with contextlib.suppress(Exception):
            connection.close()


def opened(browser: Browser, web: Web, user: User | None = None, **options: Any) -> tuple[BrowserContext, Page]:
    """A page of a browser of its own, signed in as `user`; any fault in a script fails the test that asks for it."""
    # A worker of the page would answer for the network: only tests of it want one.
    values = {"viewport": {"width": 1280, "height": 800}, "service_workers": "block", **options}
    context = browser.new_context(base_url=web.url, **values)
    if user is not None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": web.url}])
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None
    )
    page.faults = faults  # type: ignore[attr-defined]
    return context, page


@pytest.fixture
def open_page(browser: Browser, web: Web) -> Iterator[Opener]:
    """Opens pages and looks, in the end, that no script of theirs had a fault and no policy was broken."""
    contexts = []

    def opener(user: User | None = None, path: str = "/", **options: Any) -> Page:
        context, page = opened(browser, web, user, **options)
        contexts.append((context, page))
        page.goto(path)
        return page

    yield opener
    faults = [fault for _, page in contexts for fault in page.faults]  # type: ignore[attr-defined]
    for context, _ in contexts:
        context.close()
    assert faults == []
