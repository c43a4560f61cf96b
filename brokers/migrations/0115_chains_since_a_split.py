"""A chain of options knows when a split made others of its contracts."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0114_renamings_by_account")]

    operations = [
        migrations.AddField("optionchain", "split_at", models.DateTimeField(null=True, blank=True)),
    ]
