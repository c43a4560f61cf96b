"""Every page asked by everybody: what the table says is what real requests get."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client
from django.urls import reverse

from accounts.models import RANK, Role, Team, User
from accounts.tests.entrance.factors import with_app
from config.tests.access import table
from config.tests.access.table import OTHER_PAGES, STOPS, TEAM_PAGES, Entry
from config.tests.access.urlmap import Page, pages
from config.tests.access.world import NOBODY, NOWHERE, World, ask, browser, same, undone, world

pytestmark = pytest.mark.django_db
CONFIRM, SIGN_IN = ("/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/"), "/accounts/login/"
OTHER_METHODS = ("PUT", "DELETE", "OPTIONS", "BREW")
SENDS = {"account_email": {"action_add": "", "email": "new@example.com"}}
LOWER = {"approver": "viewer", "trader": "approver", "owner": "trader"}


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.SIM_CONTROL_TOKEN = ""  # no simulator runs here, and none is waited for
    return world(now)


def entries() -> Iterator[tuple[str, Page, Entry]]:
    """Each entry of the table with its page."""
    by_name = {page.name: page for page in pages("team")}
    for name, entry in TEAM_PAGES.items():
        yield name, by_name[name.partition("@")[0]], entry


def requests(entry: Entry) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The methods of an entry with the role and the values of each."""
    for method, role, values in (("GET", entry.get, entry.asks), ("POST", entry.post, entry.sends)):
        if role:
            yield method, role, values


def leads_to(answer: Any, *pages: str) -> bool:
    return bool(answer.status_code == 302 and answer.headers["Location"].startswith(pages))


def lets_in(answer: Any) -> bool:
    """Whether the view did its work, whatever it then said of the form."""
    return answer.status_code in {200, 302, 422} and not leads_to(answer, SIGN_IN, *CONFIRM)


def test_every_page_has_its_entry() -> None:
    missing = (
        {page.name for page in pages("team")} - {name.partition("@")[0] for name in TEAM_PAGES} - set(table.ELSEWHERE)
    )
    missing |= {page.name for page in pages("other")} - set(OTHER_PAGES)
    assert not missing, (
        f"Nobody has said who may ask {', '.join(sorted(missing))}. Add a line for each to config/tests/access/table.py: "
        "the least role of its GET and of its POST, and whether it takes a proof."
    )
    gone = {name.partition("@")[0] for name in TEAM_PAGES} - {page.name for page in pages("team")}
    gone |= set(OTHER_PAGES) - {page.name for page in pages("other")}
    assert not gone, (
        f"There is no page {', '.join(sorted(gone))} any more. Take it out of config/tests/access/table.py."
    )


def test_each_role_does_what_the_table_says_and_a_proof_is_asked_for_where_it_says(made: World) -> None:
    """The least role is let in, an hour after it signed in where no proof is asked for; the next lesser role is not."""
    wrong = []
    for name, page, entry in entries():
        address = made.address(page, entry.at)
        for method, role, values in requests(entry):
            least = "trader" if role == STOPS else role
            # What only a trader is shown on a page for everybody is asked for as a trader.
            stale = made.ask(f"stale {'trader' if values == entry.asks != {} else least}", method, address, values)
            if leads_to(stale, *CONFIRM) is not (method in entry.proof):
                wrong.append(f"{name}: {method} without a proof is {stale.status_code}")
            answer = made.ask(least, method, address, values) if method in entry.proof else stale
            if not lets_in(answer):
                wrong.append(f"{name}: {method} by a {least} is {answer.status_code}")
            if lower := LOWER.get(least):
                answer = made.ask(lower, method, address, values)
                if answer.status_code != 403 or not any(
                    words in answer.text for words in (f"role of {least}", "Only an owner")
                ):
                    wrong.append(f"{name}: {method} by a {lower} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_a_team_lets_others_stop_and_nothing_else(made: World) -> None:
    Team.objects.update(stops_from="viewer")
    wrong = []
    for name, page, entry in entries():
        for method, role, values in requests(entry):
            if role != "viewer":
                answer = made.ask("stale viewer", method, made.address(page, entry.at), values)
                asked = method in entry.proof and leads_to(answer, *CONFIRM)
                if lets_in(answer) is not (role == STOPS) or not (answer.status_code == 403 or asked or role == STOPS):
                    wrong.append(f"{name}: {method} by a viewer is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_strangers_and_removed_members_find_nothing_where_another_team_is(made: World) -> None:
    wrong = []
    nobodys = {"GET": f"/teams/{NOWHERE}/orders/", "POST": f"/teams/{NOWHERE}/settings/mail/"}
    nothing = {
        (who, method): same(made.ask(who, method, address, {}))
        for who in ("stranger", "removed")
        for method, address in nobodys.items()
    }
    assert {status for status, _ in nothing.values()} == {404}
    for name, page, entry in entries():
        address = made.address(page, entry.at)
        for method, _, values in requests(entry):
            if not leads_to(made.ask(NOBODY, method, address, values), SIGN_IN):
                wrong.append(f"{name}: {method} by nobody is not asked to sign in")
            for who in ("stranger", "removed"):
                answer = same(made.ask(who, method, address, values))
                if answer != nothing[who, method]:
                    wrong.append(f"{name}: {method} by {who} is {answer[0]}")
            if method in entry.proof:
                answers = [
                    same(made.ask("stale stranger", method, made.address(page, entry.at, **parts), values))[0]
                    for parts in ({}, {"team_code": NOWHERE})
                ]
                if answers not in ([404, 404], [302, 302]):
                    wrong.append(f"{name}: {method} by a stranger without a proof is {answers}")
    assert not wrong, "\n".join(wrong)


def test_another_teams_row_is_as_absent_as_one_that_is_not_there(made: World) -> None:
    """Asked by the owner of one team, below the own team's address, for the rows of the other."""
    nowhere: dict[type, Any] = {int: 987654321, str: "0123456789abcdef"}
    wrong = []
    for name, page, entry in entries():
        parts = [part for part in page.parts if part not in {"team_code", "level"}]
        for method, _, values in requests(entry):
            for part in parts:
                ours = made.ours.parts.get(part, made.ours.parts.get(f"reference of {page.name}"))
                absent = nowhere.get(type(ours), NOWHERE)
                at = {key: value for key, value in entry.at.items() if key != part}
                foreign = made.theirs.team.code if entry.at == table.TEAM else _theirs(made, page, part)
                if part in {"conid", "number"}:
                    continue  # numbers of rows below a row, not of rows of their own
                their_row = same(made.ask("owner", method, made.address(page, at, **{part: foreign}), values))
                no_row = same(made.ask("owner", method, made.address(page, at, **{part: absent}), values))
                if their_row != no_row or their_row[0] != 404:
                    wrong.append(f"{name}: {method} of their {part} is {their_row[0]}, of none {no_row[0]}")
    assert not wrong, "\n".join(wrong)


def _theirs(made: World, page: Page, part: str) -> Any:
    return made.theirs.parts.get(part, made.theirs.parts.get(f"reference of {page.name}"))


def test_no_level_of_a_guard_reaches_into_another_team(made: World) -> None:
    by_name = {page.name: page for page in pages("team")}
    for level, part in (
        ("account", "account_code"),
        ("strategy", "strategy_code"),
        ("subscription", "subscription_code"),
    ):
        for name in ("guard", "guard_stop", "guard_resume", "guard_unlock"):
            method = "GET" if TEAM_PAGES[name].get else "POST"
            for code, status in ((made.theirs.parts[part], 404), (made.ours.parts[part], {200, 302})):
                address = made.address(by_name[name], {"level": level}, code=code)
                answer = made.ask("owner", method, address, TEAM_PAGES[name].sends if method == "POST" else {})
                assert answer.status_code in ({status} if isinstance(status, int) else status), (name, level)


def test_a_form_takes_no_row_of_another_team(made: World) -> None:
    """Fields that choose a row: their strategy, account or subscription is no choice."""
    ours, theirs = made.ours.parts, made.theirs.parts
    follow = {"strategy": str(theirs["strategy_code"]), "account": str(ours["account_code"]), "linked": "yes"}
    base = f"/teams/{made.ours.team.code}/"
    subscriptions = made.ours.team.subscriptions.count(), made.theirs.team.subscriptions.count()
    owner = made.clients["owner"]
    assert owner.post(f"{base}subscriptions/new/", follow).status_code == 422
    follow = {"strategy": str(ours["strategy_code"]), "account": str(theirs["account_code"]), "linked": "yes"}
    assert owner.post(f"{base}subscriptions/new/", follow).status_code == 422
    copy = f"{base}subscriptions/{ours['subscription_code']}/copy/"
    assert owner.post(copy, follow).status_code == 422
    switch = {"enabled": "yes", "confirmed": "yes", "subscription": made.theirs.quiet}
    owner.post(f"{base}subscriptions/switch/", switch)
    assert not made.theirs.team.subscriptions.get(code=made.theirs.quiet).enabled
    sent = {"strategy": str(theirs["strategy_code"]), "action": "buy", "ticker": "AAPL", "quantity": "1"}
    assert owner.post(f"{base}signals/try/", sent).status_code == 422
    assert (made.ours.team.subscriptions.count(), made.theirs.team.subscriptions.count()) == subscriptions


def test_a_missing_second_factor_opens_nothing_but_the_stop(made: World) -> None:
    Team.objects.update(second_factor_from="viewer")
    wrong = []
    for name, page, entry in entries():
        for method, role, values in requests(entry):
            answer = made.ask("owner", method, made.address(page, entry.at), values)
            refused = answer.status_code == 403 and "two-step" in answer.text
            if refused is (role == STOPS):
                wrong.append(f"{name}: {method} by an owner without a second factor is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_no_other_method_is_answered(made: World) -> None:
    wrong = []
    for name, page, entry in entries():
        if "@" in name:
            continue
        allowed = {method for method, _, _ in requests(entry)}
        for method in {"GET", "POST", *OTHER_METHODS} - allowed:
            answer = made.ask("owner", method, made.address(page, entry.at), {})
            if answer.status_code != 405:
                wrong.append(f"{name}: {method} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_pages_of_no_team_are_open_or_for_members_as_the_table_says(made: World) -> None:
    wrong = []
    for page in pages("other"):
        who, _ = OTHER_PAGES[page.name]
        for method in ("GET", "POST"):
            asks = leads_to(made.ask(NOBODY, method, other_address(page), {}), f"{SIGN_IN}?next=", "/accounts/reauth")
            if asks is not (who == table.MEMBERS):
                wrong.append(f"{page.name}: {method} by nobody is {'asked to sign in' if asks else 'answered'}")
    assert not wrong, "\n".join(wrong)


def test_how_one_signs_in_changes_with_a_proof_only(made: World) -> None:
    user = with_app(User.objects.get(email="owner@example.com"))
    RecoveryCodes.activate(user)
    with_factor, without = browser(user, fresh=False), made.clients["stale viewer"]
    wrong = []
    for page in pages("other"):
        who, proof = OTHER_PAGES[page.name]
        for method in ("GET", "POST") if who == table.MEMBERS else ():
            # With two-step sign-in on, the library adds no address at all.
            client = without if page.name == "account_email" else with_factor
            with undone():
                answer = ask(client, method, other_address(page), SENDS.get(page.name))
            if leads_to(answer, *CONFIRM) is not (method in proof.split()) and "reauthenticate" not in page.name:
                wrong.append(f"{page.name}: {method} without a proof is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def other_address(page: Page) -> str:
    """The address of a page of no team, with parts that open nothing."""
    plain = {"robots.txt": "/robots.txt", "favicon.ico": "/favicon.ico", "^api/(?:.*/)?$": "/api/nothing/"}
    values = {"pk": 1, "key": "abc", "uidb36": "a", "token": "abc", "page": "simulated-prices"}
    return plain.get(page.name) or reverse(page.name, kwargs={part: values[part] for part in page.parts})


def test_the_operators_pages_are_the_operators(made: World, settings: Any) -> None:
    """By the map alone: every page below /admin/, whatever table it is of."""
    settings.STAFF_SECOND_FACTOR = True
    staff = User.objects.create_user("staff@example.com", "a password", is_staff=True)
    operator = with_app(User.objects.create_superuser("operator@example.com", "a password"))
    stale = browser(operator, fresh=False)
    wrong, seen = [], set()
    for page in pages("admin"):
        address = _operators(page)
        askers = [("an owner", "GET", made.clients["owner"])]
        if page.view.__qualname__ not in seen:
            seen.add(page.view.__qualname__)
            askers += [("nobody", "GET", Client()), ("staff without a second factor", "POST", browser(staff))]
        for who, method, client in askers:
            with undone():
                answer = ask(client, method, address)
            if answer.status_code == 200:
                wrong.append(f"{address}: {method} by {who} is answered")
        with undone():
            answer = ask(stale, "POST", address)
        # Ways out of there, to pages that are held elsewhere, and Django's own redirections.
        leaves = page.name in {"login", "logout", "password_change"} or "View.as_view" in page.view.__qualname__
        if not (leads_to(answer, *CONFIRM) or leaves or answer.status_code in {404, 405}):
            wrong.append(f"{address}: POST by an operator without a proof is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def _operators(page: Page) -> str:
    if "^" in page.route or "(?P" in page.route:
        return "/admin/accounts/" if "app_label" in page.route else "/admin/nothing/here"
    return "/" + page.route.replace("<path:object_id>", "1").replace("<path:content_type_id>", "1")


def test_the_table_ranks_roles_as_the_product_does() -> None:
    assert [*LOWER] == [str(role) for role in sorted(Role, key=lambda role: RANK[role])][1:]
