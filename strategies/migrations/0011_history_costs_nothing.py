"""The newest signals of a strategy, and the newest refusals of a webhook, are found by an index.

Indexes are built and dropped CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

import django.db.models.deletion
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("strategies", "0010_uncounted_orders"),
    ]

    operations = [
        AddIndexOnline(
            model_name="signal",
            index=models.Index(fields=["strategy", "id"], name="signals_of_a_strategy"),
        ),
        AddIndexOnline(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("forgotten_at__isnull", True)),
                fields=["strategy", "received_at"],
                name="signals_remembered",
            ),
        ),
        AddIndexOnline(
            model_name="refusal",
            index=models.Index(fields=["endpoint", "-id"], name="refusals_of_a_webhook"),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="signal",
                    name="strategy",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signals",
                        to="strategies.strategy",
                    ),
                ),
                migrations.AlterField(
                    model_name="refusal",
                    name="endpoint",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refusals",
                        to="strategies.webhookendpoint",
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS strategies_signal_strategy_id_bd7d2620",
                    "CREATE INDEX CONCURRENTLY strategies_signal_strategy_id_bd7d2620"
                    " ON strategies_signal (strategy_id)",
                ),
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS strategies_refusal_endpoint_id_e928d8a8",
                    "CREATE INDEX CONCURRENTLY strategies_refusal_endpoint_id_e928d8a8"
                    " ON strategies_refusal (endpoint_id)",
                ),
            ],
        ),
    ]
