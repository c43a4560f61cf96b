"""Readers of environment variables: what cannot be read is refused in one sentence."""

from __future__ import annotations

import pytest

from config import env


def test_a_setting_that_is_no_address_is_refused_in_one_sentence() -> None:
    with pytest.raises(env.SettingError, match=r"^NETS names 'nginx', which is no address\. Use addresses or networks"):
        env.networks("NETS", environ={"NETS": "127.0.0.1, nginx"})
    assert env.networks("NETS", environ={"NETS": "::1, 10.0.0.0/8"}) == ["::1", "10.0.0.0/8"]
