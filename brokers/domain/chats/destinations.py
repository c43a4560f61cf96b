"""Chat services and programs that notices go to: what each is sent, and what its answer says. Pure.

Shapes: Slack's and Discord's incoming webhooks, Telegram's Bot API (`sendMessage`), ntfy's JSON, and Standard Webhooks
(standardwebhooks.com) for programs.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from brokers.domain.sentences import cut

# Discord takes 2,000 characters, Telegram and ntfy 4,096, Slack more.
_LONGEST_TEXT = 1_900
# What a service may ask to wait for, at most.
_LONGEST_WAIT = timedelta(hours=1)
_TELEGRAM, _NTFY = "https://api.telegram.org", "https://ntfy.sh"
_BOT_TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{20,80}\Z")
_CHAT = re.compile(r"(-?[0-9]{1,20}|@[A-Za-z0-9_]{3,40})\Z")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SECRET = "whsec_"  # noqa: S105


class Service(StrEnum):
    SLACK = "slack"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    NTFY = "ntfy"
    WEBHOOK = "webhook"


class DeliveryStatus(StrEnum):
    """What became of a notice for one destination: `lost` may have arrived or not, and is never sent again."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A notice in words: `link` leads to the page that it is about; `urgent` where somebody has to act."""

    id: str
    kind: str
    subject: str
    text: str
    link: str
    at: datetime
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP POST."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """It has the notice."""


@dataclass(frozen=True, slots=True)
class Later:
    """It certainly has not: it may be asked again, after `wait` at the soonest."""

    why: str
    wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Broken:
    """It takes nothing until somebody mends it."""

    why: str


Verdict = Taken | Later | Broken


class WrongSettings(ValueError):
    """What somebody filled in cannot be right; the message is a sentence, `field` names the place."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def checked(service: Service, values: Mapping[str, str]) -> dict[str, str]:
    """The settings of a destination as they are kept. Raises WrongSettings; whether an address may be gone to is another's matter."""
    given = {name: value.strip() for name, value in values.items()}
    if service is Service.TELEGRAM:
        if not _BOT_TOKEN.match(given.get("token", "")):
            raise WrongSettings("token", "A bot's token looks like 123456:ABC-DEF. BotFather shows it.")
        if not _CHAT.match(given.get("chat", "")):
            raise WrongSettings("chat", "A chat is a number, below zero for a group, or @name of a channel.")
        return {"token": given["token"], "chat": given["chat"], "server": given.get("server") or _TELEGRAM}
    if service is Service.NTFY:
        if not _TOPIC.match(given.get("topic", "")):
            raise WrongSettings("topic", "A topic has 1 to 64 letters, digits, hyphens and underscores.")
        return {"topic": given["topic"], "token": given.get("token", ""), "server": given.get("server") or _NTFY}
    if not given.get("url"):
        raise WrongSettings("url", "Paste the address that the service gave you.")
    return {"url": given["url"], **({"secret": given["secret"]} if service is Service.WEBHOOK else {})}


def address_in(settings: Mapping[str, str]) -> str:
    """The address that is gone to, without the secrets behind it."""
    return settings.get("url") or settings["server"]


def secret_of(random: bytes) -> str:
    """A signing secret as Standard Webhooks writes it."""
    return _SECRET + base64.b64encode(random).decode()


def call_of(service: Service, settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    """What a service is asked to take."""
    return _CALLS[service](settings, said, now)


def several(them: list[Said], link: str, now: datetime) -> Said:
    """Many notices as one: how many, the first of them, and where all of them stand."""
    subjects = list(dict.fromkeys(each.subject for each in them))
    shown = "\n".join(f"- {cut(each, 120)}" for each in subjects[:8])
    more = f"\nand {len(subjects) - 8} more" if len(subjects) > 8 else ""
    return Said(
        id=f"{them[0].id}-{len(them)}",
        kind="several",
        subject=f"{len(them)} notices",
        text=f"{shown}{more}",
        link=link,
        at=now,
        urgent=any(each.urgent for each in them),
    )


def _text(said: Said) -> str:
    return f"{cut(said.text, _LONGEST_TEXT)}\n{said.link}"


def _json(url: str, value: Any, **headers: str) -> Call:
    return Call(url=url, body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


def _slack(settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    # Three signs mean something in its texts: a name of somebody else's must call nobody and hide no address.
    escaped = [
        each.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for each in (said.subject, cut(said.text, _LONGEST_TEXT))
    ]
    return _json(settings["url"], {"text": f"*{escaped[0]}*\n{escaped[1]}\n<{said.link}>"})


def _discord(settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    content = cut(f"**{said.subject}**\n{said.text}", _LONGEST_TEXT)
    # Nobody is called by what a name holds.
    return _json(settings["url"], {"content": f"{content}\n{said.link}", "allowed_mentions": {"parse": []}})


def _telegram(settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    url = f"{settings['server'].rstrip('/')}/bot{settings['token']}/sendMessage"
    text = f"{said.subject}\n{_text(said)}"
    return _json(url, {"chat_id": settings["chat"], "text": text, "link_preview_options": {"is_disabled": True}})


def _ntfy(settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    value = {
        "topic": settings["topic"],
        "title": cut(said.subject, 200),
        "message": cut(said.text, _LONGEST_TEXT),
        "click": said.link,
        "priority": 5 if said.urgent else 3,
    }
    token = settings.get("token")
    return _json(settings["server"], value, **({"Authorization": f"Bearer {token}"} if token else {}))


def _webhook(settings: Mapping[str, str], said: Said, now: datetime) -> Call:
    value = {
        "type": f"notice.{said.kind}",
        "timestamp": said.at.isoformat(),
        "data": {"subject": said.subject, "text": said.text, "link": said.link, "urgent": said.urgent},
    }
    body = json.dumps(value).encode()
    stamp = str(int(now.timestamp()))
    signature = signature_of(settings["secret"], said.id, stamp, body)
    headers = {"webhook-id": said.id, "webhook-timestamp": stamp, "webhook-signature": signature}
    return Call(url=settings["url"], body=body, headers={"Content-Type": "application/json", **headers})


def signature_of(secret: str, id: str, stamp: str, body: bytes) -> str:
    """The signature of Standard Webhooks: "v1," and the base64 of HMAC-SHA256 over id, moment and body."""
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except binascii.Error:
        key = secret.encode()
    digest = hmac.new(key, b".".join((id.encode(), stamp.encode(), body)), sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


_CALLS: Mapping[Service, Callable[[Mapping[str, str], Said, datetime], Call]] = {
    Service.SLACK: _slack,
    Service.DISCORD: _discord,
    Service.TELEGRAM: _telegram,
    Service.NTFY: _ntfy,
    Service.WEBHOOK: _webhook,
}
# Answers after which asking again helps nobody: who we say that we are, or where it was to go, is not there or not allowed.
_GONE = frozenset({401, 403, 404, 410})


def verdict_of(service: Service, status: int, headers: Mapping[str, str], body: str) -> Verdict:
    """What a complete answer says. `body`: its beginning, which is quoted nowhere but as far as it is a short sentence."""
    if 200 <= status < 300:
        return Taken()
    if 300 <= status < 400:
        return Broken(
            "Its address answers with another address, and Halyard follows none. Fill in the one that it leads to."
        )
    if status == 429:
        return Later("It asks to be called less often.", _wait(headers, body))
    if status in _GONE or (service is Service.TELEGRAM and status == 400):
        return Broken(f"It answers {status}: {_HINTS[service]}")
    if status >= 500 or status == 408:
        return Later(f"It answers {status}: it does not work at the moment.")
    return Broken(f"It answers {status} and does not take what Halyard sends. Check its settings.")


_HINTS: Mapping[Service, str] = {
    Service.SLACK: "the webhook was removed or its app may not write there. Make a new one in Slack.",
    Service.DISCORD: "the webhook was deleted. Make a new one in the channel's settings.",
    Service.TELEGRAM: "the bot's token or the chat is not right, or the bot was removed. Write to the bot first, then test again.",
    Service.NTFY: "the topic takes nothing without another token.",
    Service.WEBHOOK: "the address is not there any more, or does not let Halyard in.",
}


def _wait(headers: Mapping[str, str], body: str) -> timedelta:
    """How long it asks us to wait, within reason."""
    said: object = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if said is None:
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        if isinstance(value, dict):
            parameters = value.get("parameters")
            said = value.get("retry_after") or (parameters.get("retry_after") if isinstance(parameters, dict) else None)
    try:
        seconds = float(str(said))
    except ValueError:
        return timedelta(0)
    # No number of seconds that JSON can hold makes us wait longer, nor one that is none.
    if math.isnan(seconds):
        return timedelta(0)
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT.total_seconds()))
