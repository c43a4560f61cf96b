"""Links in our mails lead to our own address, whatever their requester called us."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db
PUBLIC = "https://halyard.example:8443"


@pytest.fixture(autouse=True)
def public(settings: Any) -> None:
    settings.PUBLIC_URL = PUBLIC
    settings.ALLOWED_HOSTS = ["*"]
    settings.CSRF_TRUSTED_ORIGINS = []
    # The library mails an address once in three minutes, counted in a cache that other tests use as well.
    memory = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": memory, "LOCATION": str(uuid.uuid4())}}


def links(mail: Any) -> set[str]:
    return {match[1] for match in re.finditer(r"(\w+://[^/\s]+)/", mail.body)}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8443", "halyard.example.evil.example"])
def test_a_password_reset_leads_to_the_public_address(alice: User, mailoutbox: list[Any], host: str) -> None:
    Client().post("/accounts/password/reset/", {"email": alice.email}, headers={"host": host})
    assert links(mailoutbox[0]) == {PUBLIC}
    assert "evil" not in mailoutbox[0].body


def test_so_do_the_mails_to_an_address_that_is_not_and_one_that_is_registered(
    alice: User, mailoutbox: list[Any], settings: Any
) -> None:
    evil = {"host": "evil.example"}
    Client().post("/accounts/password/reset/", {"email": "nobody@example.com"}, headers=evil)
    Client().post("/accounts/signup/", {"email": "dora@example.com", "password1": "a sail of gold"}, headers=evil)
    assert len(mailoutbox) == 2
    for mail in mailoutbox:
        assert links(mail) == {PUBLIC}
        assert "evil" not in mail.body
