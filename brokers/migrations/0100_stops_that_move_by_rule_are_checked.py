"""The check of 0099 for the rows of before, and where to look for stops that are still to move, for legs placed
instead of others, and for entries that were refused.

Both are done without a lock that orders wait for: the index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE).
"""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0099_stops_that_move_by_rule")]

    operations = [
        ValidateConstraint("order", "only_a_leg_has_a_rule_of_moving"),
        ValidateConstraint("notice", "notice_kind_is_known"),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["ticket"],
                condition=Q(
                    role="stop_loss",
                    moves_after__isnull=False,
                    moved_by_rule_at=None,
                    status__in=["accepted", "partially_filled"],
                ),
                name="stops_that_move_by_rule",
            ),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(fields=["moves_with"], condition=~Q(moves_with=""), name="legs_instead_of_others"),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["changed_at"],
                condition=Q(role="entry", status__in=["rejected", "denied", "expired"]),
                name="entries_refused_of_late",
            ),
        ),
    ]
