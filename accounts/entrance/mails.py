"""Every mail of ours: a text, and the same words as a page with a button for its link.

The page is made of the text, so that both say the same and each sender writes one. A link is ours where it stands alone
on its line and leads to our public address; others' words are quoted on one line and never do (`letters.quoted`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from smtplib import SMTPConnectError, SMTPServerDisconnected
from socket import gaierror
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

# What a button says, by the name of the address behind it, where the line before it does not.
LABELS = {
    "account_confirm_email": "Confirm this address",
    "account_reset_password": "Choose a new password",
    "account_reset_password_from_key": "Choose a new password",
    "account_signup": "Sign up",
    "team_settings": "Open the team's settings",
}
# A line of up to so many letters that ends in a colon is what its button says.
_LABEL = 60
_CODE = re.compile(r"[A-Z0-9]{4,}(?:-[A-Z0-9]+)*")


# The mail server was not reached, or stopped answering.
AWAY = (TimeoutError, ConnectionError, gaierror, SMTPServerDisconnected, SMTPConnectError)


class Server:
    """The mail server during one call: once it has not answered no more letters are begun, since each would wait as long."""

    def __init__(self) -> None:
        self.is_away = False

    def failed(self, error: BaseException) -> None:
        """A letter was not sent, or may not have been."""
        self.is_away = self.is_away or isinstance(error, AWAY) or isinstance(error.__cause__, AWAY)


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph: its lines, or one link with what its button says, or a code to type, or who writes."""

    kind: str
    lines: tuple[str, ...] = ()
    url: str = ""
    label: str = ""


def compose(subject: str, text: str, to: str) -> EmailMultiAlternatives:
    """A mail from us to one address."""
    message = EmailMultiAlternatives(subject, text, None, [to])
    add_page(message)
    return message


def add_page(message: EmailMultiAlternatives) -> None:
    """Put the page of its text beside it."""
    title = str(message.subject).removeprefix("Halyard: ")
    page = render_to_string("accounts/letter.html", {"title": title, "parts": list(parts(str(message.body)))})
    message.attach_alternative(page, "text/html")


def text_of(message: EmailMessage) -> EmailMessage:
    """The mail without its page, for a terminal."""
    return EmailMessage(message.subject, message.body, message.from_email, message.to, headers=message.extra_headers)


def parts(text: str) -> Iterator[Part]:
    """The paragraphs of a mail's text. Its first link is the button, and the others are links."""
    had_button = False
    for paragraph in text.strip().split("\n\n"):
        lines: list[str] = []
        for line in paragraph.splitlines():
            if not _is_ours(line):
                lines.append(line)
                continue
            label = "" if had_button else lines.pop().removesuffix(":") if _labels(lines) else _label_of(line)
            if lines:
                yield Part("text", tuple(lines))
            yield Part("link" if had_button else "button", url=line, label=label)
            lines, had_button = [], True
        if lines:
            yield Part(_kind_of(lines), tuple(lines))


def _kind_of(lines: list[str]) -> str:
    if len(lines) == 1 and _CODE.fullmatch(lines[0]):
        return "code"
    return "foot" if lines[0].startswith("Halyard at ") else "text"


def _is_ours(line: str) -> bool:
    public = settings.PUBLIC_URL
    return (line == public or line.startswith(f"{public}/")) and " " not in line


def _labels(lines: list[str]) -> bool:
    return bool(lines) and lines[-1].endswith(":") and len(lines[-1]) <= _LABEL


def _label_of(url: str) -> str:
    try:
        return LABELS.get(resolve(urlsplit(url).path).url_name or "", "Open Halyard")
    except Resolver404:
        return "Open Halyard"
