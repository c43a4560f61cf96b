"""What real money takes before it is switched on: a proved person, and the account number typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from accounts.refusals import Refusal
from brokers.domain.sentences import any_of

# Accounts of IBKR's have letters and digits, and newer ones are not digits behind a letter.
_NUMBER = re.compile(r"(?=.*[0-9])[A-Z][A-Z0-9]{3,19}")

EMAIL, FACTOR, CONFIRMATION, NUMBER = (
    "email-not-verified",
    "second-factor-missing",
    "confirmation-missing",
    "account-number-differs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the person who switches real money on has shown; a program with a token shows no confirmation."""

    email_verified: bool = False
    second_factor: bool = False
    confirmed: bool = False
    typed: tuple[str, ...] = ()


NO_CONSENT = Consent()


class LiveMoneyRefused(Refusal):
    """Real money stays off."""


def account_number(text: str) -> str:
    """An account number as IBKR writes it, from what a person typed."""
    return text.strip().upper()


def require(consent: Consent, accounts: Collection[str], *, every: bool = True) -> None:
    """Raise LiveMoneyRefused for the first thing that is missing.

    `every` account has to be typed, or else one of them. Without accounts, which IBKR has yet to show, any number counts
    that could be one: it is compared as soon as IBKR shows them.
    """
    if not consent.email_verified:
        raise LiveMoneyRefused(
            "Real money takes a verified e-mail address. Open the link in the mail that Halyard sent you, or have it "
            "sent again in your settings.",
            EMAIL,
        )
    if not consent.second_factor:
        raise LiveMoneyRefused(
            "Real money takes two-step sign-in. Set it up in your settings, then switch this on.", FACTOR
        )
    if not consent.confirmed:
        raise LiveMoneyRefused(
            "Real money is switched on by a person who has just confirmed who they are, which no token can. Switch it "
            "on in the browser, on the page of the subscription or the connection.",
            CONFIRMATION,
        )
    _require_numbers({account_number(each) for each in consent.typed}, accounts, every)


def _require_numbers(typed: set[str], accounts: Collection[str], every: bool) -> None:
    if not accounts:
        if not any(_NUMBER.fullmatch(number) for number in typed):
            raise LiveMoneyRefused(
                "Type the number of the account that is to trade real money, as Client Portal shows it: U1234567.",
                NUMBER,
            )
        return
    missing = sorted(set(accounts) - typed)
    if missing and (every or len(missing) == len(set(accounts))):
        raise LiveMoneyRefused(
            f"Type the account number {missing[0] if every else any_of(missing[:3])} to say that real money "
            "is meant. What was typed is another one.",
            NUMBER,
        )
