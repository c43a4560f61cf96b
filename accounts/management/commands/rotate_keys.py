"""`manage.py rotate_keys`: every stored secret under the newest of HALYARD_ENCRYPTION_KEYS."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.audit import keys
from accounts.vault import rotation


class Command(BaseCommand):
    help = (
        "Store every secret again under the newest key in HALYARD_ENCRYPTION_KEYS, so that older ones can be dropped."
    )

    def handle(self, **_: object) -> None:
        """Exits with 1 when a secret cannot be read, since dropping a key would lose it for good."""
        tally = rotation.renew()
        self.stdout.write(
            f"{tally.renewed} secrets were stored again, {tally.newest} were under the newest key already."
        )
        if tally.unreadable:
            lost = ", ".join(f"{count} {name}" for name, count in sorted(tally.unreadable.items()))
            raise CommandError(
                f"Secrets of {lost} cannot be read with these keys and were left as they are. Put back the key they were "
                "stored under, behind the newest, and run this again."
            )
        if tally.renewed:
            # What the older key opened, the audit's own keys among it, signs nothing from now on.
            keys.make()
        if len(settings.ENCRYPTION_KEYS) > 1:
            self.stdout.write("Only the first key is still in use: drop the others and restart every process.")
