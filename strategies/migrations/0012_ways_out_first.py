"""Ways out among pending decisions are found by an index, to be looked at before entries.

A column with a default in the database (ACCESS EXCLUSIVE for a moment, nothing is rewritten); the index is built
CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("strategies", "0011_history_costs_nothing"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="way_out",
            field=models.CharField(
                blank=True,
                choices=[("", "No"), ("first", "First"), ("later", "Later")],
                db_default="",
                default="",
                editable=False,
                max_length=5,
            ),
        ),
        AddIndexConcurrently(
            model_name="decision",
            index=models.Index(
                condition=models.Q(("status", "pending"), models.Q(("way_out", ""), _negated=True)),
                fields=["team", "id"],
                name="ways_out_that_wait",
            ),
        ),
    ]
