"""`manage.py check_cases FILE.jsonl`: does our reading of webhook messages agree with a file of cases?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategies.reading.cases import CaseRefused, Verdict, check, read


class Command(BaseCommand):
    help = "Read every case of a file as the webhook would and compare; any difference makes the exit status 1."
    # It needs no database, so nothing about one is checked.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="one case a line, as JSON: id, body, context, expect, canonical")

    def handle(self, *args: Any, **options: Any) -> None:
        verdicts = _verdicts(options["file"])
        failed = [verdict for verdict in verdicts if verdict.differences]
        for line in report(verdicts):
            self.stdout.write(line)
        if failed:
            raise CommandError(f"{len(failed)} of {len(verdicts)} cases differ.")


def _verdicts(file: Path) -> list[Verdict]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            verdicts = [check(case) for case in read(iter(lines))]
    except OSError as error:
        raise CommandError(f"{file} cannot be opened: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text.") from None
    except CaseRefused as refused:
        raise CommandError(f"{file}: {refused}") from None
    if not verdicts:
        raise CommandError(f"{file} holds no case.")
    return verdicts


def report(verdicts: list[Verdict]) -> list[str]:
    """Passed and failed for each reason, every difference, and the sum."""
    passed = Counter(verdict.reason for verdict in verdicts if not verdict.differences)
    failed = Counter(verdict.reason for verdict in verdicts if verdict.differences)
    reasons = sorted(passed | failed, key=lambda reason: (reason != "accepted", reason))
    width = max(len(reason) for reason in reasons)
    lines = [f"{'expected':<{width}}  passed  failed"]
    lines += [f"{reason:<{width}}  {passed[reason]:>6}  {failed[reason] or '':>6}".rstrip() for reason in reasons]
    for verdict in verdicts:
        lines += [f"{verdict.case}: {difference}" for difference in verdict.differences]
    return [*lines, f"{len(verdicts)} cases: {sum(passed.values())} passed, {sum(failed.values())} failed."]
