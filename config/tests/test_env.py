"""Readers of environment variables: what cannot be read is refused in one sentence."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import env
from config.embedded import BASE_DIR
from config.tests.test_control_token import PRODUCTION


def test_a_setting_that_is_no_address_is_refused_in_one_sentence() -> None:
    with pytest.raises(env.SettingError, match=r"^NETS names 'nginx', which is no address\. Use addresses or networks"):
        env.networks("NETS", environ={"NETS": "127.0.0.1, nginx"})
    assert env.networks("NETS", environ={"NETS": "::1, 10.0.0.0/8"}) == ["::1", "10.0.0.0/8"]


@pytest.mark.parametrize("key", ["", "server", "k" * 50, "change-me", "abababababababababababababababababab", "a" * 31])
def test_a_key_that_can_be_guessed_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(env.SettingError, match=r"which can be guessed\. Make one of at least 32 random") as refusal:
        env.strong("KEYS", key)
    assert not key or f" {key} " not in str(refusal.value)


def test_a_random_key_is_taken_whatever_its_alphabet() -> None:
    for _ in range(50):
        for key in (secrets.token_urlsafe(32), secrets.token_hex(32), secrets.token_hex(16)):
            assert env.strong("KEYS", key) == key


@pytest.mark.parametrize("key", ["short", "x" * 44, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", "ä" * 44, "=" * 44])
def test_a_key_that_fernet_would_not_take_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(env.SettingError, match=r"that is no Fernet key\. Make one with: python") as refusal:
        env.fernet_key("KEYS", key)
    assert key not in str(refusal.value)
    whole = Fernet.generate_key().decode()
    assert env.fernet_key("KEYS", whole) == whole


@pytest.mark.parametrize("listed", [" , ,", ","])
def test_a_list_without_a_key_is_refused(listed: str) -> None:
    with pytest.raises(env.SettingError, match=r"^KEYS holds no key\."):
        env.keys("KEYS", {}, environ={"KEYS": listed})
    assert env.keys("KEYS", {}, environ={"KEYS": "new, old"}) == ["new", "old"]
    assert env.keys("KEYS", {"KEYS": "own"}, environ={}) == ["own"]


WEB, WORKER = "import config.asgi", "from config.celery import app"


@pytest.mark.parametrize("start", [WEB, WORKER])
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HALYARD_ENCRYPTION_KEYS", "", "HALYARD_ENCRYPTION_KEYS is not set."),
        (
            "HALYARD_ENCRYPTION_KEYS",
            "wrong",
            "HALYARD_ENCRYPTION_KEYS holds a key of 5 characters that is no Fernet key.",
        ),
        ("EMAIL_URL", "", "EMAIL_URL is not set."),
        ("HALYARD_EMAIL_VERIFICATION", "optional", "HALYARD_EMAIL_VERIFICATION is 'optional'. Use mandatory, or leave"),
        ("HALYARD_EMAIL_VERIFICATION", "none", "HALYARD_EMAIL_VERIFICATION is 'none'. Use mandatory, or leave it out."),
        ("HALYARD_SERVER_KEYS", "server", "HALYARD_SERVER_KEYS holds a key of 6 characters"),
    ],
)
def test_a_process_says_in_one_sentence_why_it_does_not_start(
    servers: None, tmp_path: Path, start: str, variable: str, value: str, sentence: str
) -> None:
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("HALYARD", "DATABASE", "REDIS"))}
    environ = {**clean, "HALYARD_DATA": str(tmp_path / "data"), **PRODUCTION, variable: value}
    done = subprocess.run(
        [sys.executable, "-c", start], check=False, cwd=BASE_DIR, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.strip().splitlines()) == 1
