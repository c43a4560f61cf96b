"""`manage.py audit`: verify, anchor, remove."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import audit, teams
from accounts.audit import anchors, keys, removal, writing
from accounts.models import AuditChain, AuditEntry, Team, User
from accounts.tests.audit.tampering import chain_of, cut_off, tamper

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue().strip()


def reseal(chain: AuditChain) -> None:
    """What only somebody with the keys can do."""
    writing.sealed(chain, *keys.newest())


def test_it_says_that_all_is_whole(chain: list[AuditEntry], charlie: User, now: datetime) -> None:
    teams.found_team(owner=charlie, name="Charlie's", now=now)
    assert run("verify") == "The audit is whole: 6 entries in 2 chains."


def test_it_names_the_first_entry_of_each_chain_that_does_not_fit(
    team: Team, chain: list[AuditEntry], charlie: User, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    tamper("UPDATE accounts_auditentry SET subject = 'x' WHERE id IN (%s, %s)", chain[1].pk, chain[3].pk)
    assert run("verify", "--team", str(theirs.code)) == "The audit is whole: 1 entries in 1 chains."
    with pytest.raises(CommandError) as refused:
        run("verify")
    assert str(refused.value).splitlines()[1:] == [
        f"Team Alice's team ({team.code}): entry 2 was changed, or was never written by us."
    ]


def test_it_misses_a_chain_that_is_gone_altogether(team: Team, chain: list[AuditEntry]) -> None:
    tamper("DELETE FROM accounts_auditentry; DELETE FROM accounts_auditchain")
    with pytest.raises(CommandError, match="has no chain"):
        run("verify")


def test_an_anchor_is_one_short_line_and_proves_what_stood_before_it(
    team: Team, chain: list[AuditEntry], alice: User, now: datetime
) -> None:
    for words in ([], ["--team", str(team.code)]):
        line = run("anchor", *words)
        assert (len(line) < 200, line.count("\n")) == (True, 0)
        audit.record(team=team, actor=alice, action="thing.changed", subject="later", now=now)
        assert run("verify", "--anchor", line).startswith("Nothing that is left of before the anchor of ")


def test_an_anchor_shows_an_end_that_was_cut_off_with_an_old_copy_of_the_chains_row(
    team: Team, chain: list[AuditEntry], alice: User, now: datetime
) -> None:
    old = AuditChain.objects.get(team=team)
    audit.record(team=team, actor=alice, action="thing.changed", subject="hidden", now=now)
    line = run("anchor")
    cut_off(old, 5)
    tamper("UPDATE accounts_auditchain SET seal = %s WHERE id = %s", old.seal, old.pk)
    assert run("verify").startswith("The audit is whole")
    with pytest.raises(
        CommandError, match="entry 6, which the anchor holds, is gone: the end of the chain was cut off"
    ):
        run("verify", "--anchor", line)


def test_an_anchor_shows_a_chain_that_was_written_anew_with_the_keys(team: Team, chain: list[AuditEntry]) -> None:
    line = run("anchor")
    own = chain_of(team)
    _, secret = keys.newest()
    last = chain[-1]
    last.subject = "another story"
    digest = writing.digest(last, own, secret)
    tamper("UPDATE accounts_auditentry SET subject = %s, hash = %s WHERE id = %s", last.subject, digest, last.pk)
    own.head = digest
    reseal(own)
    assert run("verify").startswith("The audit is whole")
    with pytest.raises(CommandError, match="entry 5 is not the one that the anchor holds"):
        run("verify", "--anchor", line)


def test_an_anchor_shows_what_was_written_anew_and_then_removed_lawfully(
    team: Team, chain: list[AuditEntry], now: datetime
) -> None:
    line = run("anchor")
    removal.remove_before(chain=chain_of(team), moment=now + timedelta(days=1), actor=None, now=now)
    own = chain_of(team)
    own.head = own.removed_head = "1" * 64
    reseal(own)
    with pytest.raises(CommandError, match="entry 5 is not the one that the anchor holds"):
        run("verify", "--anchor", line)


def test_an_anchor_shows_a_team_that_is_gone_without_a_trace(team: Team, chain: list[AuditEntry]) -> None:
    line = run("anchor")
    for table in (
        "auditentry WHERE chain_id IN (SELECT id FROM accounts_auditchain WHERE team_id = %s)",
        "auditchain WHERE team_id = %s",
        "membership WHERE team_id = %s",
        "team WHERE id = %s",
    ):
        tamper(f"DELETE FROM accounts_{table}", team.pk)
    with pytest.raises(CommandError, match="is gone with all its entries"):
        run("verify", "--anchor", line)


def test_an_anchor_of_many_chains_stands_in_several_entries(
    team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch, bob: User, charlie: User
) -> None:
    monkeypatch.setattr(anchors, "MOST", 1)
    for person in (bob, charlie):
        audit.record_person(person=person, actor=person, action="signed_in", subject="", now=now)
    line = run("anchor")
    assert AuditEntry.objects.filter(action=anchors.ANCHORED).count() == 3
    run("verify", "--anchor", line)
    tamper("DELETE FROM accounts_auditentry WHERE chain_id = %s", chain_of(team).pk)
    tamper("DELETE FROM accounts_auditchain WHERE id = %s", chain_of(team).pk)
    with pytest.raises(CommandError, match="is gone with all its entries"):
        run("verify", "--anchor", line)


@pytest.mark.parametrize("spoil", ["", "word", "number", "seal", "nonsense"])
def test_a_line_that_is_no_anchor_of_ours_is_refused_in_a_sentence(chain: list[AuditEntry], spoil: str) -> None:
    parts = run("anchor").split(":")
    if spoil == "number":
        parts[2] = "7"
    elif spoil == "seal":
        parts[6] = "0" * 32
    elif spoil == "word":
        parts[0] = "halyard-audit-9"
    line = {"": "", "nonsense": ":".join(["halyard-audit-1", "x", "9" * 99, "", "9" * 40, "1", ""])}.get(
        spoil, ":".join(parts)
    )
    with pytest.raises(CommandError, match=r"no anchor|signature of this anchor does not fit"):
        run("verify", "--anchor", line)


def test_it_removes_what_is_older_and_the_rest_stays_verifiable(
    team: Team, chain: list[AuditEntry], alice: User
) -> None:
    old, line = run("anchor", "--team", str(team.code)), run("anchor")
    later = timezone.now() + timedelta(days=400)
    audit.record(team=team, actor=alice, action="thing.changed", subject="new", now=later)
    for days in (["--days", "3"], []):
        with pytest.raises(CommandError, match="90 or more"):
            run("remove", *days)
    with time_machine.travel(later):
        assert run("remove", "--days", "90", "--team", str(team.code)).startswith("5 entries from before")
    assert run("verify", "--anchor", line).endswith("3 entries in 2 chains. 5 were removed lawfully before.")
    # The last that was removed is still known by its signature; one before it is not.
    assert "proves nothing" not in run("verify", "--anchor", old)
    with time_machine.travel(later + timedelta(days=100)):
        audit.record(team=team, actor=alice, action="thing.changed", subject="newer", now=timezone.now())
        run("remove", "--days", "90", "--team", str(team.code))
    assert "removed lawfully, so it proves nothing here" in run("verify", "--anchor", old)


@pytest.mark.parametrize("code", ["nonsense", "00000000-0000-0000-0000-000000000001"])
def test_an_unknown_team_is_said(db: None, code: str) -> None:
    with pytest.raises(CommandError, match="There is no team"):
        run("verify", "--team", code)
