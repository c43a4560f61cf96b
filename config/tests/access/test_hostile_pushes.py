"""Nothing that a user, a sender or a gateway writes becomes markup in what is pushed to open pages, in drawings and in scripts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from django.conf import settings as django_settings
from django.db import models
from django.template.loader import render_to_string
from django.utils.html import json_script

from accounts.feed import needs
from accounts.models import Team
from accounts.templatetags import ui
from brokers import live as broker_live
from brokers.models import BrokerageAccount, Connection, KeySet, Order, WhatIf
from config.tests.access.test_unsafe_marks import HOSTILE, TAG, raw, spoil
from config.tests.access.world import World, ours, world
from strategies import live
from strategies.models import Decision, Refusal, Signal

ROOT = django_settings.BASE_DIR
# The functions that render what is pushed, by their module, with the rows that each is asked about.
Render = Callable[[int], str]
RENDERED: dict[str, list[tuple[Render, type[models.Model]]]] = {
    "accounts/feed/needs.py": [(needs.needs_html, Team)],
    "brokers/live.py": [
        (broker_live.order_html, Order),
        (broker_live.session_html, Connection),
        (broker_live.account_html, BrokerageAccount),
        (broker_live.keys_html, KeySet),
        (broker_live.what_if_html, WhatIf),
    ],
    "strategies/live.py": [(live.signal_html, Signal), (live.refusal_html, Refusal)],
}


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.STAFF_SECOND_FACTOR = False
    return world(now)


def test_every_renderer_of_a_push_is_asked_below() -> None:
    calls = ours(r"(?<!def )\bpush_on_commit\(")
    known = {name: len(each) for name, each in RENDERED.items()}
    assert dict(calls) == known, f"{calls} push; add what renders it to RENDERED in this test."


@pytest.mark.django_db
def test_what_is_pushed_to_open_pages_is_escaped(made: World) -> None:
    took = spoil()
    assert took["Order.reason"], sorted(took)
    wrong, seen = [], Counter[str]()
    for each in RENDERED.values():
        for render, model in each:
            name = getattr(render, "__name__", "")
            for row in model._default_manager.order_by("pk"):
                html = render(row.pk)
                seen[name] += TAG in html
                wrong += [f"{name} of {row.pk}: …{place}" for place in raw(html)[:2]]
    for decision in Decision.objects.exclude(expires_at=None):
        html = live.proposal_html(decision, note=HOSTILE)
        seen["proposal_html"] += TAG in html
        wrong += [f"a card of {decision.pk}: …{place}" for place in raw(html)[:2]]
    assert not wrong, "\n".join(wrong)
    assert {name for name, count in seen.items() if not count} <= {"needs_html", "keys_html", "what_if_html"}, (
        f"{seen} prove too little"
    )


@pytest.mark.parametrize(
    ("template", "context"),
    [
        (
            "strategies/_gauge.html",
            {"name": HOSTILE, "gauge": {"load": HOSTILE, "limit": HOSTILE, "percent": HOSTILE, "tone": HOSTILE}},
        ),
        (
            "strategies/_guard_meter.html",
            {
                "name": HOSTILE,
                "meter": {
                    "name": HOSTILE,
                    "load": None,
                    "limit": 1,
                    "percent": HOSTILE,
                    "tone": HOSTILE,
                    "unknown": HOSTILE,
                    "unit": HOSTILE,
                },
            },
        ),
        (
            "strategies/_waterfall.html",
            {
                "phases": [{"name": HOSTILE, "took": 1.0, "start": HOSTILE, "width": HOSTILE, "ours": True}],
                "total": 2.0,
            },
        ),
    ],
)
def test_text_in_a_drawing_is_text(template: str, context: dict[str, Any]) -> None:
    html = render_to_string(template, context)
    assert TAG in html
    assert not raw(html)
    for drawing in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        tags = {element.tag for element in ElementTree.fromstring(drawing).iter()}
        assert tags <= {"svg", "rect", "title", "g", "use"}


def test_every_drawing_with_text_is_tried() -> None:
    drawn = {
        str(path.relative_to(ROOT / "templates"))
        for path in (ROOT / "templates").rglob("*.html")
        if re.search(r"<svg(?:(?!</svg>).)*\{\{", path.read_text(encoding="utf-8"), re.DOTALL)
    }
    # The meters of a webhook and the times of a connection's calls hold numbers, times and names of ours only.
    assert drawn == {
        "brokers/_diagnosis_times.html",
        "strategies/_gauge.html",
        "strategies/_guard_meter.html",
        "strategies/_meters.html",
        "strategies/_waterfall.html",
    }


@pytest.mark.parametrize("text", [HOSTILE, "</script><script>h4-x4</script>", "<!--<script>", "\u2028"])
def test_json_in_a_script_ends_no_script(text: str) -> None:
    html = json_script({"a": text, text: [text]}, "data")
    assert html.count("<") == html.count(">") == 2
    assert "<!--" not in html


def test_a_script_holds_nothing_but_json_by_the_filter() -> None:
    wrong = []
    for path in (ROOT / "templates").rglob("*.html"):
        for attributes, body in re.findall(
            r"<script\b([^>]*)>(.*?)</script>", path.read_text(encoding="utf-8"), re.DOTALL
        ):
            values = re.findall(r"\{\{ *(.*?) *\}\}", body + attributes)
            # The library's own names of a form's fields.
            wrong += [f"{path.name}: {value}" for value in values if not re.fullmatch(r"\w*form\.\w+\.auto_id", value)]
    assert not wrong, f"{wrong}: put values into a page by json_script or a data attribute."


def test_charts_write_text_as_text() -> None:
    script = (ROOT / "static/js/charts.js").read_text(encoding="utf-8")
    assert "innerHTML" not in script
    assert "legend: { show: false }" in script, "the library's legend would write names of series as markup"


def test_the_mark_of_an_icon_is_a_name_of_ours() -> None:
    for hostile in (HOSTILE, 'x"><script>'):
        assert not raw(str(ui.icon(hostile, hostile)))
        assert "<script>" not in str(ui.badge("order", hostile, hostile))
