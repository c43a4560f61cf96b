"""Where an action came from: the address, and the page, token, task or command."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from celery import Celery
from django.test import Client

from accounts import audit
from accounts.audit import origin
from accounts.models import AuditEntry, Team, User


def last() -> tuple[str, str]:
    entry = AuditEntry.objects.latest("id")
    return entry.address, entry.origin


def test_a_page_is_named_and_not_its_address_which_may_hold_secrets(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    client.post(f"/teams/{team.code}/settings/invite/", {"role": "viewer"}, REMOTE_ADDR="192.0.2.7")
    assert last() == ("192.0.2.7", "page team_invite")


def test_the_address_is_the_clients_own_behind_a_proxy_and_nobody_elses_word(
    client: Client, alice: User, team: Team, settings: Any
) -> None:
    client.force_login(alice)
    path, form = f"/teams/{team.code}/settings/invite/", {"role": "viewer"}
    client.post(path, form, REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "203.0.113.5"})
    assert last()[0] == "192.0.2.7"
    settings.TRUSTED_PROXIES = ["192.0.2.7"]
    client.post(path, form, REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "203.0.113.5"})
    assert last()[0] == "203.0.113.5"


def test_a_task_is_named(team: Team, now: datetime) -> None:
    # An app of its own: the tasks of ours are all held to a table.
    @Celery("tests", set_as_current=False).task(name="tests.record")
    def record() -> None:
        audit.record(team=team, actor=None, action="swept", subject="", now=now)

    record.apply()
    assert last() == ("", "task tests.record")
    audit.record(team=team, actor=None, action="swept", subject="", now=now)
    assert "task" not in last()[1]


@pytest.mark.parametrize(
    ("words", "by"),
    [
        (["/srv/halyard/manage.py", "demo"], "command demo"),
        (["/usr/bin/uvicorn", "config.asgi:application"], "process uvicorn"),
        (["manage.py"], "process manage.py"),
    ],
)
def test_a_command_is_named(words: list[str], by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", words)
    assert origin.current() == origin.Origin("", by)
