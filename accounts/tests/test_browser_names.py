"""What a user agent is called on pages and in mails."""

from __future__ import annotations

import pytest

from accounts.templatetags.ui import browser


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox 145 on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.4 Mobile/15E148 Safari/604.1",
            "Mobile Safari 17 on iOS",
        ),
        ("curl/8.5.0", "curl 8"),
        ("", "an unnamed program"),
        ("a program of mine", "a program of mine"),
        ("<script>" * 5000, "<script>" * 7 + "<scr"),
    ],
)
def test_a_user_agent_is_named(agent: str, name: str) -> None:
    assert browser(agent) == name
