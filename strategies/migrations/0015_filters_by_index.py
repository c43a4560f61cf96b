"""Decisions by their status, and signals by what most of them are not, are found by an index.

Indexes are built CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits. Each leaves out the usual row,
so that a signal that is bought or sold and a decision that is accepted pay for none of them.
"""

import django.db.models.deletion
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0012_scheduled_tasks"),
        ("brokers", "0066_foreign_seen_once"),
        ("strategies", "0014_adoptions"),
    ]

    operations = [
        AddIndexOnline(
            model_name="decision",
            index=models.Index(
                condition=models.Q(("status", "accepted"), _negated=True),
                fields=["team", "status", "id"],
                name="decisions_not_accepted",
            ),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("note", ""), ("set_aside", ""), _negated=True),
                fields=["team", "id"],
                name="signals_set_aside",
            ),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(condition=models.Q(("is_test", True)), fields=["team", "id"], name="signals_rehearsed"),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("duplicates__gt", 0)), fields=["team", "id"], name="signals_repeated"
            ),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("action__in", ["buy", "sell"]), _negated=True),
                fields=["team", "action", "id"],
                name="signals_of_an_action",
            ),
        ),
        # The index over the team and the key serves what this one served.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="refusal",
                    name="team",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refusals",
                        to="accounts.team",
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS strategies_refusal_team_id_7b40ffde",
                    "CREATE INDEX CONCURRENTLY strategies_refusal_team_id_7b40ffde ON strategies_refusal (team_id)",
                ),
            ],
        ),
    ]
