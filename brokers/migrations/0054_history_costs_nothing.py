"""Newest orders of an account, fills heard of since a book was read and rejections of a day are found by an index.

Indexes are built and dropped CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

import django.db.models.deletion
from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("brokers", "0053_suppressed_questions"),
    ]

    operations = [
        AddIndexOnline(
            model_name="execution",
            index=models.Index(fields=["account", "seen_at"], name="executions_seen_of_late"),
        ),
        AddIndexOnline(
            model_name="order",
            index=BrinIndex(autosummarize=True, fields=["created_at"], name="orders_of_late", pages_per_range=16),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(fields=["account", "id"], name="orders_of_an_account"),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status", "rejected")),
                fields=["team", "changed_at"],
                name="orders_rejected_of_late",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="order",
                    name="account",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="brokers.brokerageaccount",
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS brokers_order_account_id_69e8b502",
                    "CREATE INDEX CONCURRENTLY brokers_order_account_id_69e8b502 ON brokers_order (account_id)",
                ),
            ],
        ),
    ]
