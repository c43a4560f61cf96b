"""Nothing that a user, a sender or a gateway writes becomes part of a page's markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.db import DatabaseError, models, transaction
from django.test import Client

from accounts.models import User
from config.tests.access.test_pages import entries
from config.tests.access.world import World, ask, browser, undone, world

ROOT = django_settings.BASE_DIR
OURS = ("accounts", "brokers", "strategies", "config", "templates", "static/js")
_MARKS = re.compile(
    r"\|\s*safe\b|\|\s*safeseq\b|\bautoescape off\b|\bmark_safe\(|\bSafeString\(|\bSafeText\(|\bhtml_safe\b|@\w+\.filter\(.*is_safe"
    r"|\bformat_html(?:_join)?\((?![\"'(\s])|\.innerHTML\s*=|\binsertAdjacentHTML\b|\bdocument\.write\b|\beval\(|\bouterHTML\s*=(?!=)"
)
# Where text is let through as it is, how often, and why that is harmless.
ALLOWED: dict[str, tuple[int, str]] = {
    "accounts/feed/numbers.py": (1, "a script that Valkey runs, in which no page and no text of anybody's stands"),
    "accounts/templatetags/ui.py": (1, "a constant attribute, with nothing of anybody's in it"),
    "brokers/ibkr/pace/valkey.py": (1, "a script that Valkey runs, in which no page and no text of anybody's stands"),
    "static/js/feed.js": (1, "a template element, in which nothing runs, of html that our own server escaped"),
    "static/js/terms.js": (1, "a copy of a row of the page's own form, with a number in the place of a word"),
}
PLAIN_TEXT = re.compile(r"templates/(?:account|mfa|usersessions|strategies|accounts|brokers)/.*\.txt")
# With a hyphen, which a form's token never holds: three letters and digits alone stand in some of them by chance.
TAG = "h4-x4"
# Texts that only our own code writes, and reads again.
OTHERS = frozenset({"password", "session_key", "time_zone", "rule", "key"})
HOSTILE = f"'\"><{TAG} onerror=a>"
_ESCAPED = ("&quot;&gt;&lt;", "%3C", "\\u003C", "\\u003c", "\\\\u003c")


def marks() -> Iterator[tuple[str, str]]:
    """Every mark in our own files, with its file."""
    for folder in OURS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.suffix not in {".py", ".html", ".txt", ".js"} or "/tests/" in name or "/vendor/" in name:
                continue
            for match in _MARKS.finditer(path.read_text(encoding="utf-8")):
                yield name, match[0]


def test_text_is_let_through_unescaped_only_where_it_is_said_why() -> None:
    counts = Counter(name for name, _ in marks() if not PLAIN_TEXT.fullmatch(name))
    more = {name: count for name, count in counts.items() if count > ALLOWED.get(name, (0, ""))[0]}
    assert not more, (
        f"{more} let text through as markup. Use format_html with a constant and arguments, or leave escaping on; where "
        "neither will do, add the file to ALLOWED in this test with the reason why nobody's text gets there."
    )


def test_only_mails_as_plain_text_go_unescaped() -> None:
    """A mail of ours is plain text, in which markup is nothing; one with html would escape."""
    for name, _ in marks():
        if PLAIN_TEXT.fullmatch(name):
            assert not (ROOT / name).with_suffix(".html").exists(), name
    assert not [*(ROOT / "templates").rglob("email/*.html")]


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.SIM_CONTROL_TOKEN = ""
    settings.STAFF_SECOND_FACTOR = False
    return world(now)


def texts(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """The columns that hold free text."""
    for field in model._meta.fields:
        if type(field) in {models.CharField, models.TextField, models.URLField} and not field.choices:
            long_enough = (field.max_length or 1000) >= len(HOSTILE) + 4
            if long_enough and not field.name.endswith("hash") and field.name not in OTHERS:
                yield field


def spoil() -> Counter[str]:
    """Put the hostile text into every text column of every row that takes it; returns how many took it."""
    took: Counter[str] = Counter()
    for model in apps.get_models():
        if model._meta.app_label not in {"accounts", "brokers", "strategies", "usersessions"}:
            continue
        for field in texts(model):
            for row in model._default_manager.values_list("pk", flat=True):
                try:
                    with transaction.atomic():
                        rows = model._default_manager.filter(pk=row)
                        took[f"{model.__name__}.{field.name}"] += rows.update(**{field.name: f"{HOSTILE}{row}"})
                except DatabaseError:
                    continue  # a column that refuses it is safe from it
    return took


def raw(text: str) -> list[str]:
    """Where the hostile text stands unescaped."""
    places = (
        (text[max(0, found.start() - 24) : found.start()], found.start())
        for found in re.finditer(TAG, text, re.IGNORECASE)
    )
    return [text[max(0, at - 120) : at + 20] for before, at in places if not before.endswith(_ESCAPED)]


@pytest.mark.django_db
def test_hostile_text_in_every_column_is_escaped_on_every_page(made: World) -> None:
    took = spoil()
    for column in (
        "Strategy.name",
        "Strategy.description",
        "Signal.body",
        "Connection.name",
        "Order.reason",
        "Team.name",
    ):
        assert took[column], f"{column} did not take the hostile text: {sorted(took)}"
    made.ours.team.strategies.update(allowed_tickers=[HOSTILE])
    made.ours.team.guards.update(restricted=[HOSTILE])
    made.ours.team.signals.update(headers={"User-Agent": HOSTILE, HOSTILE: "x"}, warnings=[HOSTILE])
    made.ours.team.connections.update(base_url="javascript:alert(1)//h4-x4")
    wrong, seen = [], 0
    for name, page, entry in entries():
        for method, values in (("GET", entry.asks), ("POST", entry.sends)):
            if not (entry.get if method == "GET" else entry.post):
                continue
            with undone():
                client = made.clients["owner"]
                answer = ask(client, method, made.address(page, entry.at), values)
            kind = answer.headers.get("Content-Type", "")
            if kind.startswith("text/html"):
                body = answer.text
                seen += TAG in body
                # The address of a gateway is text, and never a link.
                found = [place for place in raw(body) if "javascript:alert(1)//" not in place]
                wrong += [f"{name}: {method}: …{place}" for place in found[:2]]
                wrong += [f"{name}: a link runs a script"] * bool(re.search(r"(?:href|src|action)=.javascript:", body))
    assert not wrong, "\n".join(wrong)
    assert seen > 20, "too few pages showed it: the test proves nothing"


@pytest.mark.django_db
def test_hostile_text_is_escaped_in_the_operators_tables(made: World) -> None:
    spoil()
    User.objects.filter(email="owner@example.com").update(is_staff=True, is_superuser=True)
    client = browser(User.objects.get(email="owner@example.com"))
    wrong = []
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        row = model._default_manager.order_by("pk").first()
        for path in (base, *([f"{base}{row.pk}/change/"] if row is not None else [])):
            wrong += [f"{path}: …{place}" for place in raw(client.get(path).text)[:1]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("text", [HOSTILE, "<script>h4-x4</script>", "javascript:h4-x4"])
def test_hostile_text_in_a_form_comes_back_escaped(made: World, text: str) -> None:
    """Each form with every field of it filled in so: what it says of it, and the field itself, are text."""
    wrong = []
    for name, page, entry in entries():
        if not entry.get or not entry.post:
            continue
        client: Client = made.clients["owner"]
        address = made.address(page, entry.at)
        fields = set(re.findall(r'name="([\w-]+)"', client.get(address, entry.asks).text)) - {"csrfmiddlewaretoken"}
        with undone():
            answer = ask(client, "POST", address, {**dict.fromkeys(fields, text), **{"part": "header"}})
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            wrong += [f"{name}: …{place}" for place in raw_of(answer.text, text)[:2]]
    assert not wrong, "\n".join(wrong)


def raw_of(body: str, text: str) -> list[str]:
    """Where this text stands as it was sent, outside of a value that quotes it."""
    if "<" in text or '"' in text:
        return [body[max(0, at.start() - 80) : at.end() + 10] for at in re.finditer(re.escape(text), body)]
    return re.findall(rf"(?:href|src|action)=.{re.escape(text)}", body)
