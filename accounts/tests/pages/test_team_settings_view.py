"""The team's page: members, invitations, API tokens."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import ApiToken, AuditEntry, Invitation, Role, Team, User

pytestmark = pytest.mark.django_db


def test_it_shows_members_to_a_viewer_without_the_owners_tools(client: Client, bob: User, team: Team) -> None:
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/settings/")
    assert "alice@example.com" in page.text
    assert "Invite by link" not in page.text
    assert "Issue a token" not in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    client.force_login(charlie)
    for path in ("", "invite/", "members/role/", "members/remove/", "tokens/"):
        method = client.get if not path else client.post
        assert method(f"/teams/{team.code}/settings/{path}").status_code == 404


@pytest.mark.parametrize("path", ["invite/", "members/role/", "tokens/", "invitations/0123/withdraw/"])
def test_it_forbids_a_viewer_to_change_the_team(client: Client, bob: User, team: Team, path: str) -> None:
    client.force_login(bob)
    answer = client.post(f"/teams/{team.code}/settings/{path}", {"role": "owner", "email": bob.email, "name": "x"})
    assert answer.status_code == 403
    assert "Ask an owner of the team for it." in answer.text
    assert not ApiToken.objects.exists()
    assert not Invitation.objects.exists()


def test_it_shows_an_invitation_link_once(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/settings/invite/", {"role": "trader", "note": "Dora"}, follow=True)
    assert re.search(r"/invitations/[\w-]{20,}/", page.text)
    assert "Dora" in page.text
    again = client.get(f"/teams/{team.code}/settings/")
    assert not re.search(r"/invitations/[\w-]{20,}/</code>", again.text)


def test_it_withdraws_an_invitation(client: Client, alice: User, team: Team) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="Dora", now=timezone.now())
    client.force_login(alice)
    reference = Invitation.objects.get().token_hash[:16]
    page = client.post(f"/teams/{team.code}/settings/invitations/{reference}/withdraw/", follow=True)
    assert "The invitation is withdrawn" in page.text
    assert teams.find_invitation(token, timezone.now()) is None


def test_it_changes_a_role(client: Client, alice: User, bob: User, team: Team) -> None:
    client.force_login(alice)
    page = client.post(
        f"/teams/{team.code}/settings/members/role/", {"email": bob.email, "role": "trader"}, follow=True
    )
    assert "bob@example.com is now trader." in page.text
    assert team.memberships.get(user=bob).role == Role.TRADER


def test_it_keeps_the_only_owner(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    for path in ("role", "remove"):
        page = client.post(
            f"/teams/{team.code}/settings/members/{path}/", {"email": alice.email, "role": "viewer"}, follow=True
        )
        assert "This is the team&#x27;s only owner." in page.text
    assert team.memberships.get(user=alice).role == Role.OWNER


def test_it_lets_a_viewer_leave_but_take_nobody_out(client: Client, alice: User, bob: User, team: Team) -> None:
    client.force_login(bob)
    path = f"/teams/{team.code}/settings/members/remove/"
    assert client.post(path, {"email": alice.email}).status_code == 403
    assert client.post(path, {"email": bob.email}).headers["Location"] == "/"
    assert client.get(f"/teams/{team.code}/settings/").status_code == 404


def test_it_shows_a_token_once_and_revokes_it(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/settings/tokens/", {"name": "Reports"}, follow=True)
    secret = re.search(r"hy_[\w-]{40,}", page.text)
    assert secret is not None
    assert secret[0] not in client.get(f"/teams/{team.code}/settings/").text
    reference = ApiToken.objects.get().token_hash[:16]
    client.post(f"/teams/{team.code}/settings/tokens/{reference}/revoke/")
    assert ApiToken.objects.get().revoked_at is not None
    assert AuditEntry.objects.filter(team=team, action="token.revoked", actor=alice).exists()


def test_it_lets_a_trader_revoke_only_tokens_of_their_own(client: Client, alice: User, bob: User, team: Team) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    teams.issue_token(team=team, user=alice, name="Alice's", now=timezone.now())
    client.force_login(bob)
    reference = ApiToken.objects.get().token_hash[:16]
    assert "Alice&#x27;s</th>" not in client.get(f"/teams/{team.code}/settings/").text
    assert client.post(f"/teams/{team.code}/settings/tokens/{reference}/revoke/").status_code == 403
    assert ApiToken.objects.get().revoked_at is None
