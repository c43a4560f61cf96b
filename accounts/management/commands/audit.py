"""`manage.py audit`: verify the record of who did what, anchor it elsewhere, or remove its oldest entries lawfully."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.audit import anchors, checking, removal
from accounts.models import Team

KEPT_DAYS = 90


class Command(BaseCommand):
    help = "Verify the audit, print an anchor of it to keep elsewhere, or remove its oldest entries."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["verify", "anchor", "remove"])
        parser.add_argument("--team", help="the code of one team, as it stands in the addresses of its pages")
        parser.add_argument("--anchor", action="append", default=[], help="a line that `audit anchor` has printed")
        parser.add_argument("--days", type=int, help=f"with remove: keep this many days ({KEPT_DAYS} or more)")

    def handle(self, *, what: str, team: str | None, anchor: list[str], days: int | None, **_: object) -> None:
        """Exits with 1 when something does not fit, and says what comes first."""
        only = None if team is None else _team(team)
        if what == "verify":
            self._verify(only, anchor)
        elif what == "anchor":
            self._anchor(only)
        else:
            self._remove(only, days)

    def _verify(self, team: Team | None, lines: Iterable[str]) -> None:
        faults: list[str] = []
        entries = removed = count = 0
        for chain in checking.chains(team):
            result = checking.check(chain)
            if isinstance(result, checking.Fault):
                faults.append(result.sentence)
                continue
            entries, removed, count = entries + result.entries, removed + result.removed, count + 1
        faults += [
            f"Team {row.name} ({row.code}) has no chain." for row in checking.without_chain() if team in (None, row)
        ]
        for line in lines:
            try:
                anchor = anchors.read(line)
            except anchors.AnchorError as error:
                raise CommandError(str(error)) from error
            proof = anchors.check(anchor)
            if proof.fault is not None:
                faults.append(proof.fault.sentence)
                continue
            day = f"{anchor.made_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"Nothing that is left of before the anchor of {day} was rewritten or cut off.")
            for name in proof.removed:
                self.stdout.write(
                    f"{name}: the entry that the anchor holds was removed lawfully, so it proves nothing here."
                )
        if faults:
            raise CommandError("The audit is not as it was written.\n" + "\n".join(faults))
        gone = f" {removed} were removed lawfully before." if removed else ""
        self.stdout.write(f"The audit is whole: {entries} entries in {count} chains.{gone}")

    def _anchor(self, team: Team | None) -> None:
        now = timezone.now()
        anchor = anchors.of_installation(None, now) if team is None else anchors.of_team(team, now)
        self.stdout.write(anchor.line())

    def _remove(self, team: Team | None, days: int | None) -> None:
        if days is None or days < KEPT_DAYS:
            raise CommandError(f"Say how many days are kept, {KEPT_DAYS} or more: manage.py audit remove --days 730")
        now = timezone.now()
        moment = now - timedelta(days=days)
        count = sum(
            removal.remove_before(chain=chain, moment=moment, actor=None, now=now) for chain in checking.chains(team)
        )
        self.stdout.write(
            f"{count} entries from before {moment:%Y-%m-%d} were removed. The rest can be verified as before."
        )


def _team(code: str) -> Team:
    try:
        team = Team.objects.filter(code=uuid.UUID(code)).first()
    except ValueError:
        team = None
    if team is None:
        raise CommandError(f"There is no team {code!r}. Its code stands in the address of its pages, behind /teams/.")
    return team
