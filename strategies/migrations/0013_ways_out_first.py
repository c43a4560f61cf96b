"""Ways out among pending decisions are found by an index, to be looked at before entries.

The index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("strategies", "0012_way_out")]

    operations = [
        AddIndexOnline(
            model_name="decision",
            index=models.Index(
                condition=models.Q(("status", "pending"), models.Q(("way_out", ""), _negated=True)),
                fields=["team", "id"],
                name="ways_out_that_wait",
            ),
        ),
    ]
