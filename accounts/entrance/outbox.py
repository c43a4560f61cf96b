"""Mails of an installation without a mail server: printed in the terminal, and kept for the page that shows them."""

from __future__ import annotations

import contextlib
import email.policy
import ipaddress
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage as Parsed
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import console
from django.http import HttpRequest

from accounts.entrance import addresses
from accounts.entrance.mails import text_of
from accounts.models import User

KEPT = 100


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it was sent."""

    sent_at: datetime
    to: str
    subject: str
    body: str


class Backend(console.EmailBackend):
    """Prints the text of each mail and keeps the newest of them as files that only we may read."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        messages = list(email_messages)
        sent: int = super().send_messages([text_of(message) for message in messages]) or 0
        folder: Path | None = settings.MAIL_FOLDER
        if folder is not None:
            for message in messages:
                _keep(folder, message)
        return sent


def _keep(folder: Path, message: EmailMessage) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    draft = folder / f"{name}.new"
    draft.touch(mode=0o600)
    draft.write_bytes(message.message().as_bytes())
    draft.rename(folder / f"{name}.eml")
    for old in sorted(folder.glob("*.eml"))[:-KEPT]:
        old.unlink(missing_ok=True)


def mails() -> list[Mail]:
    """The mails that are kept, newest first."""
    folder: Path | None = settings.MAIL_FOLDER
    return [] if folder is None else list(_read(sorted(folder.glob("*.eml"), reverse=True)))


def _read(files: Sequence[Path]) -> Iterator[Mail]:
    for file in files:
        # Another process may drop the oldest while we read.
        with contextlib.suppress(FileNotFoundError):
            parsed: Any = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            yield Mail(
                sent_at=datetime.fromtimestamp(int(file.name.partition("-")[0]) / 1e9, UTC),
                to=str(parsed["To"] or ""),
                subject=str(parsed["Subject"] or ""),
                body=_text(parsed),
            )


def _text(parsed: Parsed) -> str:
    body = parsed.get_body(("plain", "html"))
    return "" if body is None else str(body.get_content()).strip()


def stays() -> bool:
    """Whether mails stay on this machine, for want of a mail server."""
    return f"{__name__}.Backend" == settings.EMAIL_BACKEND


def may_read(request: HttpRequest) -> bool:
    """Whether this request may see every mail, links to new passwords among them: never unless mails stay here."""
    if settings.MAIL_FOLDER is None or not settings.SELF_CONTAINED:
        return False
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return True
    return is_this_machine(request)


def is_this_machine(request: HttpRequest) -> bool:
    """Whether somebody at this very machine asks: by address, by the name they asked for, and through no proxy.

    The name keeps out pages elsewhere whose own name was pointed at this machine; an installation with a public
    address has visitors who reach it through a proxy on this machine.
    """
    host = urlsplit(f"//{request.META.get('HTTP_HOST', '')}").hostname
    return (
        is_loopback(request.META.get("REMOTE_ADDR", ""))
        and is_loopback(host or "")
        and is_loopback(urlsplit(settings.PUBLIC_URL).hostname or "")
        and addresses.BY_PROXY not in request.META
    )


def is_loopback(name: str) -> bool:
    """Whether a host name or an address is this machine's own."""
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
