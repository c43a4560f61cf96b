"""No name that somebody chose begins a header, a line or a link of a mail, and no cell of a file is a formula."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.mail import EmailMessage
from django.db import connection
from django.test import AsyncClient, RequestFactory
from django.utils import timezone

from accounts import audit
from accounts.entrance.letters import quoted
from accounts.models import AuditEntry, Team, User
from brokers.domain.notices import NoticeKind
from brokers.models import Dispatch, Notice
from brokers.notices import telling
from config.tests.access.world import World, ours, world
from strategies.control.mail import tell_approvers
from strategies.models import Decision, Refusal, Signal

ROOT = django_settings.BASE_DIR
# In a name: a line of its own with a link, a header, letters that turn the line around, and markup.
FORGED = (
    "X\r\nBcc: eve@evil.example\r\n\r\nApprove here:\u2028https://evil.example/approve\x85www.evil.example "
    "evil.example/x \u202egro.live <b>"
)


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.STAFF_SECOND_FACTOR = False
    settings.PUBLIC_URL = "https://halyard.example"
    return world(now)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Trend", "Trend"),
        (
            "Open long with 10 shares of BRK.B. Approved for 3.5 of 10.",
            "Open long with 10 shares of BRK.B. Approved for 3.5 of 10.",
        ),
        ("alice@example.com", "alice@example.com"),
        ("a\r\nBcc: b\n\nc", "a Bcc: b c"),
        ("a\u2028b\x85c\x0bd\u202ee\u200bf", "a b c d e f"),
        ("https://evil.example/x", "https[:]//evil[.]example/x"),
        ("HTTPS://EVIL.EXAMPLE", "HTTPS[:]//EVIL[.]EXAMPLE"),
        ("see www.evil.example now", "see www[.]evil[.]example now"),
        ("evil.example/approve", "evil[.]example/approve"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("mailto:eve@evil.example", "mailto[:]eve@evil[.]example"),
        ("a" * 600, "a" * 499 + "…"),
        ("", ""),
    ],
)
def test_others_words_in_a_mail_are_one_line_without_links(text: str, shown: str) -> None:
    assert quoted(text) == shown


def wrong_with(mail: EmailMessage) -> list[str]:
    """What is wrong with a mail whose names were forged."""
    message = mail.message()
    text = str(mail.body)
    links = re.findall(r"(?:https?://|www\.)\S+|\S+\.example/\S*", text + str(mail.subject))
    wrong = [f"a link to {link}" for link in links if not link.startswith("https://halyard.example")]
    wrong += [f"{name} is a header" for name in ("Bcc", "Cc") if name in message]
    wrong += ["its subject has lines"] * (len(str(mail.subject).splitlines()) != 1)
    wrong += [
        f"a line of somebody else's: {line}" for line in text.splitlines() if line.startswith(("Bcc", "Approve here"))
    ]
    wrong += ["it hides letters"] * any(letter in text for letter in "\u202e\u2028\x85\x0b")
    kinds = [part.get_content_type() for part in message.walk()]
    wrong += [f"its parts are {kinds}"] * (kinds != ["multipart/alternative", "text/plain", "text/html"])
    return wrong + wrong_on_its_page(mail)


class Page(HTMLParser):
    """What a reader sees of the page in a mail, and what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.hidden = tag if tag in {"title", "style"} else self.hidden
        self.links += [str(value) for name, value in attrs if name in {"href", "src", "background", "action"}]
        self.tags |= {f"an attribute {name}" for name, _ in attrs if name.startswith("on")}

    def handle_endtag(self, tag: str) -> None:
        self.hidden = "" if tag == self.hidden else self.hidden

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words += data.split()


OURS = {"html", "head", "meta", "title", "style", "body", "table", "tr", "td", "p", "h1", "a", "br"}


def wrong_on_its_page(mail: EmailMessage) -> list[str]:
    """What is wrong with the page beside the text of a mail."""
    [(source, _)] = mail.alternatives  # type: ignore[attr-defined]
    page = Page()
    page.feed(source)
    wrong = [f"<{tag}> on its page" for tag in sorted(page.tags - OURS)]
    wrong += [f"a link to {link}" for link in page.links if not link.startswith("https://halyard.example")]
    missing = [word for word in str(mail.body).split() if word not in page.words and word.rstrip(":") not in page.words]
    return wrong + [f"its page lacks {missing}"] * bool(missing)


@pytest.mark.django_db
def test_no_name_forges_a_line_or_a_header_of_the_mail_to_approvers(
    made: World, mailoutbox: list[EmailMessage]
) -> None:
    team = made.ours.team
    Team.objects.filter(pk=team.pk).update(name=FORGED[:80])
    team.strategies.all().update(description=FORGED)
    for number, strategy in enumerate(team.strategies.all()):
        strategy.name = f"{number}{FORGED}"[:80]
        strategy.save()
    later = timezone.now().replace(year=2099)
    waiting = Decision.objects.filter(team=team).exclude(expires_at=None)
    waiting.update(reason=FORGED, expires_at=later, decided_at=timezone.now(), status="proposed")
    assert tell_approvers(timezone.now())
    assert mailoutbox
    assert [wrong_with(mail) for mail in mailoutbox] == [[] for _ in mailoutbox]
    assert any("evil[.]example" in str(mail.body) for mail in mailoutbox)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(NoticeKind))
def test_no_name_forges_a_line_or_a_header_of_a_notice(
    made: World, mailoutbox: list[EmailMessage], kind: NoticeKind
) -> None:
    now, team = timezone.now(), made.ours.team
    Team.objects.filter(pk=team.pk).update(name=FORGED[:80])
    team.connections.update(name=FORGED[:80], session_reason=FORGED)
    owner = team.memberships.get(role="owner").user
    EmailAddress.objects.update_or_create(user=owner, email=owner.email, defaults={"verified": True})
    notice = Notice.objects.create(
        connection=team.connections.latest("pk"), kind=kind, event="1", why=FORGED, opens_at=now, created_at=now
    )
    Dispatch.objects.create(notice=notice, user=owner, channel="email", status="waiting", due_at=now)
    assert telling.send(now) == 1
    assert [wrong_with(mail) for mail in mailoutbox] == [[]]
    assert "evil[.]example" in str(mailoutbox[0].body)


@pytest.mark.django_db
def test_no_name_forges_a_line_or_a_header_of_the_sign_in_librarys_mails(
    made: World, mailoutbox: list[EmailMessage]
) -> None:
    """Each of them, with everything in it that somebody else chose."""
    team = made.ours.team
    team.name, team.closed_at = FORGED, timezone.now()
    request = RequestFactory().get("/", headers={"User-Agent": FORGED.replace("\r\n", " ")})
    request.user, request.session = made.ours.team.memberships.get(role="owner").user, SessionStore()
    texts = dict.fromkeys(("email", "deleted_email", "from_email", "to_email", "by", "because"), FORGED)
    links = {
        "password_reset_url": "https://x.example/r",
        "signup_url": "https://x.example/s",
        "activate_url": "https://x.example/a",
    }
    context = {
        **texts,
        **links,
        "team": team,
        "tokens": [(FORGED, FORGED)],
        "ended": 2,
        "timestamp": timezone.now(),
        "ip": "192.0.2.7",
        "user_agent": FORGED,
        "request": request,
    }
    prefixes = sorted(
        str(path.relative_to(ROOT / "templates")).removesuffix("_message.txt")
        for path in (ROOT / "templates").rglob("email/*_message.txt")
        if path.with_name(path.name.replace("_message", "_subject")).exists()
    )
    assert len(prefixes) > 15
    with request_context(request):
        for prefix in prefixes:
            get_adapter(request).send_mail(prefix, "alice@example.com", context)
    assert len(mailoutbox) == len(prefixes)
    wrong = {prefix: found for prefix, mail in zip(prefixes, mailoutbox, strict=True) if (found := wrong_with(mail))}
    assert not wrong


def test_every_mail_quotes_what_others_chose() -> None:
    """A value that is not ours stands in a mail only through `quoted`."""
    own = re.compile(r"(?:\w+_url|code|ip|ended|halyard_url|timestamp\|\w+|current_site\.domain|team\.removed_at\|.*)")
    wrong = [
        f"{path.relative_to(ROOT)}: {value}"
        for path in (ROOT / "templates").rglob("email/*.txt")
        for value in re.findall(r"\{\{ *(.*?) *\}\}", path.read_text(encoding="utf-8"))
        if not value.endswith("|quoted") and not own.fullmatch(value)
    ]
    assert not wrong, f"{wrong} may hold what others chose: add |quoted."


def test_mails_are_sent_in_these_places_only() -> None:
    """By the sign-in library's adapter, to approvers, and in notices: all are tried above."""
    calls = ours(r"\bsend_mail\(|\bEmailM\w+\(|\bsend_notification_mail\(|\bmails\.compose\(")
    assert set(calls) == {
        "accounts/adapter.py",
        "accounts/entrance/mails.py",
        "accounts/entrance/sign_in.py",
        "accounts/pages/account.py",
        "accounts/reclaim.py",
        "brokers/notices/channels.py",
        "strategies/control/mail.py",
        "strategies/pages/team_end.py",
    }


def test_every_csv_is_written_by_one_writer() -> None:
    writers = ours(r"csv\.writer\(|DictWriter\(")
    assert dict(writers) == {"accounts/downloads.py": 1}, (
        "Write CSV by accounts.downloads.as_csv: it writes no formula."
    )
    names = ours(r"Content-Disposition|as_attachment|FileResponse")
    # The names of public keys are a list of ours.
    ours_alone = {"accounts/downloads.py", "accounts/pages/account.py", "brokers/pages/signing.py"}
    assert set(names) == ours_alone, "Nobody else's word may name a file."


FORMULAS = ('=HYPERLINK("https://evil.example")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1+1", " =1")


@pytest.mark.django_db(transaction=True)
async def test_no_cell_of_a_file_is_a_formula(now: datetime) -> None:
    made = await asyncio.to_thread(_with_formulas, now)
    client = AsyncClient()
    await client.aforce_login(await User.objects.aget(email="owner@example.com"))
    checked = 0
    for name in ("signals/export.csv", "record/csv/"):
        answer = await client.get(f"/teams/{made}/{name}")
        assert answer.status_code == 200, name
        assert re.fullmatch(r'attachment; filename="[a-z0-9-]+\.csv"', answer.headers["Content-Disposition"])
        text = "".join([piece.decode() async for piece in answer.streaming_content])  # type: ignore[attr-defined]
        for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
            for cell in row:
                checked += any(formula.strip() in cell for formula in FORMULAS)
                assert not cell.lstrip(" \xa0").startswith(tuple("=+@\t\r\uff1d")), (name, cell)
                assert not cell.startswith("-") or re.fullmatch(r"-[\d.]+", cell), (name, cell)
    assert checked > len(FORMULAS), "the files hold too few of them: the test proves nothing"


def _with_formulas(now: datetime) -> str:
    try:
        made = world(now)
        team = made.ours.team
        strategy = team.strategies.order_by("pk").first()
        assert strategy is not None
        strategy.name = FORMULAS[0]
        strategy.save()
        Signal.objects.filter(team=team).update(body=FORMULAS[1], note=FORMULAS[3], content_type=FORMULAS[4][:4])
        Refusal.objects.filter(team=team).update(sentence=FORMULAS[2], body=FORMULAS[5])
        for formula in FORMULAS:
            audit.record(team=team, actor=None, action="strategy.changed", subject=formula, now=now, after=formula)
        assert AuditEntry.objects.filter(subject__in=FORMULAS).count() == len(FORMULAS)
        return str(team.code)
    finally:
        connection.close()
