"""The verbs of a team: found, invite, join, change a role, leave, issue a token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts import teams
from accounts.audit import checking
from accounts.models import ApiToken, AuditChain, AuditEntry, Invitation, Membership, Role, Team, User, hashed


def role_of(team: Team, user: User) -> str | None:
    return Membership.objects.filter(team=team, user=user).values_list("role", flat=True).first()


def membership(team: Team, user: User) -> Membership:
    return Membership.objects.get(team=team, user=user)


def last_entry(team: Team) -> AuditEntry:
    return AuditEntry.objects.filter(team=team).latest("id")


def test_whoever_founds_a_team_owns_it(charlie: User, now: datetime) -> None:
    team = teams.found_team(owner=charlie, name="Charlie's", now=now)
    assert role_of(team, charlie) == Role.OWNER
    assert (team.name, team.created_at) == ("Charlie's", now)
    assert (last_entry(team).action, last_entry(team).actor) == ("team.founded", charlie)


def test_an_invitation_is_kept_as_a_digest_only(team: Team, alice: User, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="for Charlie", now=now)
    kept = Invitation.objects.get()
    assert kept.token_hash == hashed(token)
    assert kept.expires_at == now + timedelta(days=7)
    assert (kept.role, kept.invited_by, kept.accepted_at) == (Role.TRADER, alice, None)
    assert (last_entry(team).action, last_entry(team).after) == ("team.invited", {"role": "trader"})


def test_who_holds_the_link_joins_with_its_role(team: Team, alice: User, charlie: User, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="", now=now)
    assert teams.join(token=token, user=charlie, now=now) == team
    assert role_of(team, charlie) == Role.TRADER
    kept = Invitation.objects.get()
    assert (kept.accepted_by, kept.accepted_at) == (charlie, now)
    assert (last_entry(team).action, last_entry(team).subject) == ("team.joined", charlie.email)


def test_a_link_works_once(team: Team, alice: User, bob: User, charlie: User, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="", now=now)
    teams.join(token=token, user=charlie, now=now)
    with pytest.raises(teams.TeamError, match="already used or has expired"):
        teams.join(token=token, user=bob, now=now)
    assert role_of(team, bob) == Role.VIEWER


@pytest.mark.parametrize(
    ("after", "open_"), [(timedelta(days=7) - timedelta(seconds=1), True), (timedelta(days=7), False)]
)
def test_a_link_lives_for_a_week(
    team: Team, alice: User, charlie: User, now: datetime, after: timedelta, open_: bool
) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=now)
    assert (teams.find_invitation(token, now + after) is not None) is open_
    if not open_:
        with pytest.raises(teams.TeamError):
            teams.join(token=token, user=charlie, now=now + after)
        assert role_of(team, charlie) is None


def test_a_made_up_link_opens_nothing(team: Team, charlie: User, now: datetime) -> None:
    with pytest.raises(teams.TeamError):
        teams.join(token="made-up", user=charlie, now=now)
    assert role_of(team, charlie) is None


def test_who_is_in_already_keeps_the_role(team: Team, alice: User, bob: User, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.OWNER, note="", now=now)
    assert teams.join(token=token, user=bob, now=now) == team
    assert role_of(team, bob) == Role.VIEWER
    assert last_entry(team).action == "team.invited"


def test_a_role_changes_and_the_change_is_on_record(team: Team, alice: User, bob: User, now: datetime) -> None:
    teams.change_role(membership=membership(team, bob), role=Role.TRADER, actor=alice, now=now)
    assert role_of(team, bob) == Role.TRADER
    entry = last_entry(team)
    assert (entry.action, entry.subject, entry.actor) == ("team.role_changed", bob.email, alice)
    assert (entry.before, entry.after) == ({"role": "viewer"}, {"role": "trader"})


@pytest.mark.parametrize("role", [Role.TRADER, Role.APPROVER, Role.VIEWER])
def test_the_only_owner_stays_an_owner(team: Team, alice: User, now: datetime, role: Role) -> None:
    with pytest.raises(teams.TeamError, match="only owner"):
        teams.change_role(membership=membership(team, alice), role=role, actor=alice, now=now)
    assert role_of(team, alice) == Role.OWNER


def test_the_only_owner_cannot_leave(team: Team, alice: User, now: datetime) -> None:
    with pytest.raises(teams.TeamError, match="Make somebody else an owner first"):
        teams.remove(membership=membership(team, alice), actor=alice, now=now)
    assert role_of(team, alice) == Role.OWNER


def test_an_owner_leaves_once_there_is_another(team: Team, alice: User, bob: User, now: datetime) -> None:
    teams.change_role(membership=membership(team, bob), role=Role.OWNER, actor=alice, now=now)
    teams.remove(membership=membership(team, alice), actor=alice, now=now)
    assert role_of(team, alice) is None
    with pytest.raises(teams.TeamError):
        teams.remove(membership=membership(team, bob), actor=bob, now=now)


def test_the_tokens_of_a_removed_member_die_here_and_only_here(
    team: Team, alice: User, bob: User, now: datetime
) -> None:
    own = teams.found_team(owner=bob, name="Bob's", now=now)
    teams.issue_token(team=team, user=bob, name="there", now=now)
    teams.issue_token(team=own, user=bob, name="at home", now=now)
    teams.issue_token(team=team, user=alice, name="hers", now=now)
    teams.remove(membership=membership(team, bob), actor=alice, now=now)
    assert role_of(team, bob) is None
    revoked = ApiToken.objects.filter(revoked_at__isnull=False)
    assert [token.name for token in revoked] == ["there"]
    assert (last_entry(team).action, last_entry(team).subject) == ("team.left", bob.email)


def test_a_token_is_given_once_and_kept_as_a_digest(team: Team, alice: User, now: datetime) -> None:
    secret = teams.issue_token(team=team, user=alice, name="laptop", now=now)
    token = ApiToken.objects.get()
    assert token.token_hash == hashed(secret)
    assert (token.team, token.user, token.name, token.scopes) == (team, alice, "laptop", ["read"])
    assert secret not in str([entry.after for entry in AuditEntry.objects.all()])
    assert last_entry(team).action == "token.issued"


def test_all_of_it_leaves_a_whole_audit_chain(team: Team, alice: User, bob: User, charlie: User, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="", now=now)
    teams.join(token=token, user=charlie, now=now)
    teams.change_role(membership=membership(team, bob), role=Role.OWNER, actor=alice, now=now)
    teams.remove(membership=membership(team, charlie), actor=bob, now=now)
    assert isinstance(checking.check(AuditChain.objects.get(team=team)), checking.Whole)
    actions = AuditEntry.objects.filter(team=team).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["team.founded", "team.invited", "team.joined", "team.role_changed", "team.left"]


@pytest.mark.parametrize(
    "ended", [{"expires_at": datetime(2026, 11, 20, tzinfo=UTC)}, {"accepted_at": datetime(2026, 11, 20, tzinfo=UTC)}]
)
def test_an_invitation_that_ends_while_it_is_accepted_opens_nothing(
    team: Team, alice: User, charlie: User, now: datetime, monkeypatch: pytest.MonkeyPatch, ended: dict[str, datetime]
) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.OWNER, note="", now=now)
    find = teams.find_invitation

    def found_then_ended(token: str, moment: datetime) -> Invitation | None:
        invitation = find(token, moment)
        Invitation.objects.update(**ended)
        return invitation

    monkeypatch.setattr(teams, "find_invitation", found_then_ended)
    with pytest.raises(teams.TeamError, match="used or withdrawn a moment ago"):
        teams.join(token=token, user=charlie, now=now)
    assert not Membership.objects.filter(user=charlie).exists()
