"""Every code has a page of help that exists, and every page is reached by something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

from brokers.domain.help.pages import PAGES, page_of
from brokers.domain.session.words import WORDS
from brokers.ibkr.texts.explained import every_text

TEMPLATES = Path(settings.BASE_DIR) / "templates"
NEEDS_NO_HELP = {"signed-in", "switched-on", "switched-off", "consent-missing"}
CODES = sorted({text.code for text in every_text()})
LINK = re.compile(r"\{% url 'help' '([a-z-]+)' %\}")


@pytest.mark.parametrize("code", CODES)
def test_a_code_of_ibkrs_texts_has_a_page_that_exists(code: str) -> None:
    assert page_of(code) in PAGES


@pytest.mark.parametrize("code", sorted(WORDS.keys() - NEEDS_NO_HELP))
def test_a_state_of_a_session_has_a_page_that_exists(code: str) -> None:
    assert page_of(code) in PAGES


@pytest.mark.parametrize(
    ("code", "page"),
    [
        ("lite-account", "lite"),
        ("user-is-live", "paper-account"),
        ("user-is-paper", "paper-account"),
        ("account-not-shown", "paper-account"),
        ("competing-session", "dedicated-user"),
        ("nightly-restart", "daily-reset"),
        ("key-not-active", "oauth"),
        ("signature-key-locked", "oauth"),
        ("encryption-key-unreadable", "oauth"),
        ("no-brokerage-session", "identity-check"),
        ("operator-missing", "futures-operator"),
        ("asked-about-fractions", "precautions"),
        ("asked-about-allocation", "advisors"),
        ("sign-in-page", "sign-in"),
        ("not-allowed", "sessions"),
        ("gateway-forbids", "gateway"),
        ("proxy-refuses", "guard-gateway"),
        ("client-certificate-wanted", "guard-gateway"),
    ],
)
def test_a_refusal_leads_to_the_page_of_its_own_trouble(code: str, page: str) -> None:
    assert page_of(code) == page


@pytest.mark.parametrize("code", ["", *sorted(NEEDS_NO_HELP), "no-such-code", "paper-account"])
def test_what_needs_no_help_leads_nowhere(code: str) -> None:
    assert page_of(code) == ""


def test_no_code_leads_to_two_pages() -> None:
    codes = [code for page in PAGES.values() for code in page.codes]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_title_a_text_and_a_way_to_it(name: str) -> None:
    page = PAGES[name]
    text = get_template(f"brokers/help/{name.replace('-', '_')}.html").template.source  # type: ignore[attr-defined]
    assert page.title in text
    assert page.codes, "a page that no trouble leads to is not found by whoever needs it"


def test_every_template_of_help_is_a_page() -> None:
    files = {path.stem.replace("_", "-") for path in (TEMPLATES / "brokers" / "help").glob("[a-z]*.html")}
    assert files - {"index"} == set(PAGES)


def test_no_page_links_to_help_that_is_not_there() -> None:
    linked = {name for path in TEMPLATES.rglob("*.html") for name in LINK.findall(path.read_text())}
    assert linked
    assert linked <= set(PAGES)
