"""`manage.py server_keys`: which webhooks still use a password of an older server key, and whether it may be dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F, Max, Q
from django.utils import timezone

from strategies.models import WebhookEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """When one live webhook was last used with a password of an older key, of the newest, and at all."""

    name: str
    with_old_key_at: datetime | None
    with_new_key_at: datetime | None


def uses() -> list[Use]:
    """Every live webhook, by team and strategy."""
    rows = WebhookEndpoint.objects.filter(enabled=True).select_related("team", "strategy")
    rows = rows.annotate(
        old=Max("minutes__last_at", filter=Q(minutes__old_key__gt=0)),
        new=Max("minutes__last_at", filter=Q(minutes__taken__gt=F("minutes__old_key"))),
    )
    return [
        Use(
            name=f"{row.team.name} / {row.strategy.name} / {row.code}",
            with_old_key_at=row.old,
            with_new_key_at=row.new,
        )
        for row in rows.order_by("team__name", "strategy__name", "pk")
    ]


class Command(BaseCommand):
    help = "List the webhooks that were used with an old server key lately, and say whether it may be dropped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=14, help="how long ago counts as lately (14)")

    def handle(self, *, days: int, **_: object) -> None:
        """Exits with 1 while an old key is still in use."""
        if len(settings.SERVER_KEYS) < 2:
            self.stdout.write("One server key is listed in HALYARD_SERVER_KEYS. There is no old one to drop.")
            return
        since = timezone.now() - timedelta(days=days)
        webhooks = uses()
        still = [use for use in webhooks if use.with_old_key_at is not None and use.with_old_key_at >= since]
        silent = [
            use for use in webhooks if use not in still and not (use.with_new_key_at and use.with_new_key_at >= since)
        ]
        self.stdout.write(
            f"{len(settings.SERVER_KEYS)} server keys are listed. Webhooks live: {len(webhooks)}. Looking {days} days back."
        )
        self._list("Used with an old key:", still)
        self._list("Not used at all, so nobody knows which key their senders hold:", silent)
        if still:
            raise CommandError(
                f"Keep the old keys: {len(still)} of the webhooks above would be refused without them. Let their owners "
                "copy the URL again from the strategy's page, then look again."
            )
        if silent:
            self.stdout.write(
                "No old key was used. It may be dropped once the owners of the silent webhooks have copied their URLs "
                "again, or do not need them any more."
            )
        else:
            self.stdout.write("No old key was used, and every webhook was. The old keys may be dropped.")

    def _list(self, title: str, webhooks: list[Use]) -> None:
        if not webhooks:
            return
        self.stdout.write(title)
        for use in webhooks:
            self.stdout.write(
                f"  {use.name}  old key: {_shown(use.with_old_key_at)}  new key: {_shown(use.with_new_key_at)}"
            )


def _shown(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
