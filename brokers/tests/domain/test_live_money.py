"""What real money takes before it is switched on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brokers.domain.live_money import NO_CONSENT, Consent, LiveMoneyRefused, require

WHOLE = Consent(email_verified=True, second_factor=True, confirmed=True, typed=("U1234567",))


@pytest.mark.parametrize(
    ("missing", "code", "words"),
    [
        ({"email_verified": False}, "email-not-verified", "Open the link in the mail"),
        ({"second_factor": False}, "second-factor-missing", "Set it up in your settings"),
        ({"confirmed": False}, "confirmation-missing", "Switch it on in the browser"),
        ({"typed": ()}, "account-number-differs", "Type the account number U1234567"),
        ({"typed": ("U7654321",)}, "account-number-differs", "What was typed is another one"),
        ({"typed": ("",)}, "account-number-differs", "Type the account number"),
        ({"typed": ("U1234567\x00",)}, "account-number-differs", "Type the account number"),
        ({"typed": ("U12345678",)}, "account-number-differs", "Type the account number"),
    ],
)
def test_it_names_the_first_thing_that_is_missing(missing: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(LiveMoneyRefused, match=words) as refused:
        require(replace(WHOLE, **missing), ["U1234567"])
    assert refused.value.code == code


def test_with_nothing_shown_the_address_comes_first() -> None:
    with pytest.raises(LiveMoneyRefused) as refused:
        require(NO_CONSENT, ["U1234567"])
    assert refused.value.code == "email-not-verified"


@pytest.mark.parametrize("typed", ["U1234567", "u1234567", " U1234567 "])
def test_a_number_is_read_as_people_type_it(typed: str) -> None:
    require(replace(WHOLE, typed=(typed,)), ["U1234567"])


def test_every_account_is_typed_where_every_one_is_meant() -> None:
    two = ["U1234567", "UH724521"]
    with pytest.raises(LiveMoneyRefused, match="UH724521"):
        require(WHOLE, two)
    require(replace(WHOLE, typed=("UH724521", "U1234567")), two)
    require(WHOLE, two, every=False)
    with pytest.raises(LiveMoneyRefused, match="U1234567 or UH724521"):
        require(replace(WHOLE, typed=("U9",)), two, every=False)


@pytest.mark.parametrize("typed", ["", "1234567", "U", "U 123", "U1234567; DROP", "Ü1234567"])
def test_before_ibkr_shows_accounts_a_number_has_to_look_like_one(typed: str) -> None:
    require(WHOLE, [])
    with pytest.raises(LiveMoneyRefused, match="as Client Portal shows it"):
        require(replace(WHOLE, typed=(typed,)), [])
