"""Of each order one change of each kind waits: what somebody asks for, a count from the fill, a move by rule.

The index is built beside the one that it takes the place of, without a lock that anybody waits for (SHARE UPDATE EXCLUSIVE);
one whose building was broken off is dropped first.
"""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddUniqueOnline

OLD, NEW = "one_modification_of_an_order_waits", "one_modification_of_each_kind_waits"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0105_changes_of_each_kind")]

    operations = [
        ValidateConstraint("ordermodification", "modification_changes_something"),
        ValidateConstraint("ordermodification", "modification_of_an_end_is_made_at_once"),
        AddUniqueOnline(
            "ordermodification",
            models.UniqueConstraint(
                fields=["order", "from_fill", "by_rule"], condition=Q(status="waiting"), name=NEW
            ),
        ),
        # Two changes of an order may wait from here on: without a lock, and not to be taken back while some do.
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {OLD}", migrations.RunSQL.noop)],
            state_operations=[migrations.RemoveConstraint("ordermodification", OLD)],
        ),
    ]
