"""Orders and fills of a ticker, and orders of a status, are found by an index also where they hardly occur.

Indexes are built and dropped CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits. Those that go served
no question that another index over the team does not serve.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


def without_an_index_of_its_own(model: str, related_name: str) -> migrations.AlterField:
    return migrations.AlterField(
        model_name=model,
        name="team",
        field=models.ForeignKey(
            db_index=False,
            on_delete=django.db.models.deletion.PROTECT,
            related_name=related_name,
            to="accounts.team",
        ),
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0012_scheduled_tasks"),
        ("brokers", "0066_foreign_seen_once"),
    ]

    operations = [
        AddIndexOnline(
            model_name="order",
            index=models.Index(fields=["team", "ticker", "id"], name="orders_of_a_ticker"),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(fields=["team", "status", "id"], name="orders_by_status"),
        ),
        AddIndexOnline(
            model_name="execution",
            index=models.Index(fields=["team", "ticker", "-id"], name="executions_of_a_ticker"),
        ),
        RemoveIndexConcurrently(model_name="order", name="orders_newest_first"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                without_an_index_of_its_own("order", "orders"),
                without_an_index_of_its_own("execution", "executions"),
            ],
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS brokers_order_team_id_dfc7267c",
                    "CREATE INDEX CONCURRENTLY brokers_order_team_id_dfc7267c ON brokers_order (team_id)",
                ),
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS brokers_execution_team_id_1f9df1b6",
                    "CREATE INDEX CONCURRENTLY brokers_execution_team_id_1f9df1b6 ON brokers_execution (team_id)",
                ),
            ],
        ),
    ]
