"""A passkey from its set-up to a sign-in without a password, in a browser with a virtual authenticator."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page, expect

from accounts.models import Team, User
from strategies.tests.browser.browsers import Opener, Web

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]
PASSWORD = "alice's password"


def give_authenticator(page: Page) -> None:
    """Put a key into the machine that answers by itself, as a phone's fingerprint would."""
    line = page.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    line.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_signs_in_and_confirms(open_page: Opener, web: Web, alice: User, team: Team) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    page = open_page(alice, "/accounts/2fa/")
    give_authenticator(page)
    page.get_by_role("link", name="Add one").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.locator("[name=passwordless]").check()
    page.get_by_role("button", name="Add it").click()
    expect(page).to_have_url(re.compile("/recovery-codes/"))

    page.goto("/you/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile(str(team.code)))

    # And the page of sessions knows this browser.
    page.goto("/accounts/sessions/")
    expect(page.get_by_text("this browser")).to_be_visible()
