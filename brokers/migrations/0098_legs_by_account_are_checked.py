"""The checks of the migration before for the rows of before, and where to look for entries whose accounts lack legs.

Both are done without a lock that orders wait for: the index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE).
"""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0097_legs_by_account")]

    operations = [
        ValidateConstraint("order", "only_an_entry_for_a_group_has_legs_by_account"),
        ValidateConstraint("order", "legs_by_account_are_no_orders"),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["connection"],
                condition=Q(legs_look_at__isnull=False),
                name="entries_whose_accounts_wait",
            ),
        ),
    ]
