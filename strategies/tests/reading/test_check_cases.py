"""`manage.py check_cases`: the contract's cases, a broken copy of them, and files that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

FILE = Path(__file__).parent / "payloads" / "webhook_cases.jsonl"
LINES = FILE.read_text().splitlines()


def printed(file: Path) -> str:
    out = StringIO()
    try:
        call_command("check_cases", str(file), stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_it_passes_every_case_of_the_contract() -> None:
    out = printed(FILE)
    assert out.splitlines()[-1] == f"{len(LINES)} cases: {len(LINES)} passed, 0 failed."
    assert "accepted" in out
    assert "duplicate-field" in out


def test_it_names_what_differs_in_a_broken_copy(tmp_path: Path) -> None:
    accepted, refused = (
        json.loads(LINES[0]),
        next(case for case in map(json.loads, LINES) if case["expect"] == "reject"),
    )
    accepted["canonical"]["action"] = "sell"
    turned = {**refused, "id": "turned", "expect": "accept", "canonical": {}}
    refused["canonical"]["messageCode"] = "invalid-nonsense"
    out = printed(written(tmp_path, json.dumps(accepted), json.dumps(refused), json.dumps(turned), LINES[1]))
    assert f'{accepted["id"]}: action: expected "sell", was "buy"' in out
    assert f'{refused["id"]}: messageCode: expected "invalid-nonsense", was ' in out
    assert "turned: expected accept, was refused: " in out
    assert out.endswith("4 cases: 1 passed, 3 failed.\n3 of 4 cases differ.")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{not json", "Line 1 is not JSON."),
        ("[" * 100_000, "Line 1 is not JSON."),
        ("[1]", "Line 1 is not a JSON object."),
        ('{"id": "a", "body": ""}', "Line 1 has no expect and no canonical and no context. Add it."),
        (
            '{"id": "a", "body": "", "expect": "maybe", "canonical": {}, "context": {}}',
            'Line 1 expects "maybe". Write accept or reject.',
        ),
        (
            '{"id": "a", "body": "", "expect": "accept", "canonical": [], "context": {}}',
            "Line 1 has [] as its canonical.",
        ),
        (
            '{"id": "a", "body": "", "expect": "accept", "canonical": {}, "context": {"asset_class": "stocks"}}',
            "The context on line 1 has no now. Add it.",
        ),
        (
            '{"id": "a", "body": "", "expect": "accept", "canonical": {}, "context": {"now": "today"}}',
            "The context on line 1 cannot be used: ",
        ),
        (
            '{"id": "a", "body": "", "expect": "accept", "canonical": {}, '
            '"context": {"now": "2026-11-20T15:00:00Z", "asset_class": "tulips"}}',
            "The context on line 1 cannot be used: ",
        ),
        ("", "holds no case."),
    ],
)
def test_it_says_in_a_sentence_what_is_wrong_with_a_file(tmp_path: Path, line: str, sentence: str) -> None:
    assert sentence in printed(written(tmp_path, line))


def test_it_says_that_there_is_no_such_file(tmp_path: Path) -> None:
    assert "cannot be opened: No such file" in printed(tmp_path / "none.jsonl")
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in printed(tmp_path / "latin")


@pytest.mark.usefixtures("servers")
def test_it_works_without_a_database_and_exits_by_its_verdict(tmp_path: Path) -> None:
    def status(file: Path) -> tuple[int, str]:
        nowhere = {
            **os.environ,
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1",
        }
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "check_cases", str(file)]
        done = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stderr

    assert status(FILE) == (0, "")
    broken = json.loads(LINES[0]) | {"canonical": {"action": "sell"}}
    code, errors = status(written(tmp_path, json.dumps(broken)))
    assert code == 1
    assert "1 of 1 cases differ." in errors
    assert "Traceback" not in errors
