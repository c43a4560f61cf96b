"""The checks of 0083 for the rows of before, and where to look for entries whose legs wait.

Both are done without a lock that orders wait for: the index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE).
"""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0083_legs_from_the_fill")]

    operations = [
        ValidateConstraint("order", "only_a_leg_is_counted_from_a_fill"),
        ValidateConstraint("order", "only_an_entry_has_legs_from_its_fill"),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["connection"],
                condition=Q(legs_from_fill=True, legs_counted_from=None, filled_quantity__gt=0),
                name="entries_whose_legs_wait",
            ),
        ),
    ]
