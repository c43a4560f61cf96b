"""Waiting signals and pending decisions are found by team. Building an index without a lock needs no transaction."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("strategies", "0008_closed_teams"),
    ]

    operations = [
        migrations.AddField(
            model_name="signal",
            name="fanned_out_to",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("dispatched_at__isnull", True)), fields=["team", "id"], name="signals_that_wait"
            ),
        ),
        RemoveIndexConcurrently(model_name="signal", name="signals_waiting"),
        AddIndexOnline(
            model_name="decision",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["team", "id"], name="decisions_that_wait"
            ),
        ),
        RemoveIndexConcurrently(model_name="decision", name="decisions_pending"),
    ]
