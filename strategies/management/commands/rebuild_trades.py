"""`manage.py rebuild_trades`: every trade and every day of profit made anew from executions, of one team or of all."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Team
from strategies.profit import making


class Command(BaseCommand):
    help = "Makes all trades and days of profit anew from executions, beside trading. It may be ended and begun again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", default="", help="the id of one team, as in the addresses of its pages")

    def handle(self, *args: Any, **options: Any) -> None:
        team = None
        if options["team"]:
            team = _team(options["team"])
        made = making.make_all(None if team is None else team.pk, timezone.now())
        self.stdout.write(f"The trades of {made} contract{'' if made == 1 else 's'} were made anew.")


def _team(code: str) -> Team:
    try:
        return Team.objects.get(code=code)
    except (Team.DoesNotExist, ValidationError) as error:
        raise CommandError(
            f"There is no team {code[:80]!r}. Take its id from the address of one of its pages."
        ) from error
