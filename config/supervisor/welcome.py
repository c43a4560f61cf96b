"""The banner of `make run`: the address, the demo's sign-in, a signal to paste."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from config import env
from config.supervisor.output import Output

Manage = Callable[..., Awaitable[str | None]]
SLOW_SECONDS = 45.0
PUBLISHED = "halyard-demo-sails"
EXAMPLE = {"ticker": "AAPL", "action": "buy", "quantity": 10}


class Urls(NamedTuple):
    """Where the web process and the simulator are."""

    web: str
    gateway: str


async def demo(folder: Path, users: list[str], urls: Urls, manage: Manage, *, make: bool) -> dict[str, Any] | None:
    """The demo's sign-in: made on an empty database, remembered in demo.json; None once its user is gone."""
    remembered = folder / "demo.json"
    known: dict[str, Any] = json.loads(remembered.read_text()) if users and remembered.exists() else {}
    # Every demo once had this password; a migration has taken it away.
    if (not users and make) or (known.get("password") == PUBLISHED and known["email"] in users):
        gateway = urlsplit(urls.gateway)
        await accepts(gateway.hostname or "127.0.0.1", gateway.port or 80)
        answer = await manage("demo", "--json")
        if answer is None:
            return None
        remembered.touch(mode=0o600)
        remembered.write_text(answer)
    elif not known or known["email"] not in users:
        return None
    sign_in: dict[str, Any] = json.loads(remembered.read_text())
    # The port may be another one than when the demo was made.
    sign_in["webhook_url"] = urls.web + urlsplit(sign_in["webhook_url"]).path
    by_class = sign_in.get("webhook_urls", {})
    sign_in["webhook_urls"] = {name: urls.web + urlsplit(url).path for name, url in by_class.items()}
    return sign_in


async def ready(host: str, port: int, output: Output) -> bool:
    """Wait until /readyz says that every part answers; after SLOW_SECONDS, print once which does not."""
    reported, deadline = False, time.monotonic() + SLOW_SECONDS
    while True:
        status, body = await get(host, port, "/readyz")
        if status == 200:
            return True
        if not reported and time.monotonic() > deadline:
            output.say(f"Not everything answers yet: {missing(body)}. The lines above may say why.")
            reported = True
        await asyncio.sleep(0.1)


def missing(body: str) -> str:
    """The parts that /readyz says are not well, for a sentence."""
    try:
        parts: dict[str, str] = json.loads(body)
    except ValueError:
        return "the web process does not"
    ill = [f"{name} ({answer})" for name, answer in parts.items() if name != "status" and answer not in {"ok", "off"}]
    return ", ".join(ill) or "something does not"


async def get(host: str, port: int, path: str) -> tuple[int, str]:
    """A plain HTTP GET: status and body, (0, '') when nobody answers."""
    # A name that the web process answers to, whatever the operator has made of its list.
    listed = [word.lstrip(".*") for word in env.words("HALYARD_ALLOWED_HOSTS")]
    name = next((word for word in listed if word), f"localhost:{port}")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode(errors="replace")
            writer.close()
    except (OSError, TimeoutError):
        return 0, ""
    head, _, body = answer.partition("\r\n\r\n")
    words = head.split(maxsplit=2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body.strip()


async def accepts(host: str, port: int, patience: float = 20.0) -> None:
    """Wait until a server listens there, at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(0.1)


def banner(web_url: str, demo: dict[str, Any] | None, nameless: bool = False) -> list[tuple[str, str]]:
    """The rows of the banner. `nameless`: open to the network, without a name that others may call it by."""
    table = [("Halyard is ready", web_url)]
    if nameless:
        table.append(("From elsewhere", "Set HALYARD_PUBLIC_URL=http://this-machine:port; other names are refused."))
    if demo:
        table += [
            ("Sign in as", f"{demo['email']}   password: {demo['password']}"),
            ("Webhook", demo["webhook_url"]),
            ("Send a signal", curl(demo["webhook_url"])),
        ]
    if env.text("EMAIL_URL", "console:").startswith("console:"):
        table.append(("Mails", f"printed here, and at {web_url}/mails/"))
    return [*table, ("Stop", "Ctrl-C")]


def curl(url: str) -> str:
    """A command that sends the example signal."""
    body = shlex.quote(json.dumps(EXAMPLE))
    return f"curl -H 'Content-Type: application/json' -d {body} {shlex.quote(url)}"
