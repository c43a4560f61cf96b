"""Keys that a connection signs with, and the token that all its processes share for a day."""

import django.db.models.deletion
from django.db import migrations, models

import accounts.vault.fields


class Migration(migrations.Migration):
    dependencies = [("brokers", "0030_notices")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="signing_keys",
            field=accounts.vault.fields.SealedField(blank=True, default=accounts.vault.fields.Sealed, null=True),
        ),
        migrations.CreateModel(
            name="LiveSessionToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", accounts.vault.fields.SealedField(blank=True, default=accounts.vault.fields.Sealed)),
                ("made_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                (
                    "connection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="live_session_token",
                        to="brokers.connection",
                    ),
                ),
            ],
            options={
                "verbose_name": "live session token",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(made_at__isnull=True, expires_at__isnull=True)
                        | models.Q(expires_at__gt=models.F("made_at")),
                        name="live_session_token_ends_after_it_began",
                    )
                ],
            },
        ),
    ]
