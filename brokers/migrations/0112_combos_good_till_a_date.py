"""An order for a combo may be good till a date, which Halyard ends.

The check is wider than before and counts for new rows at once (NOT VALID: no row is read under the lock); the next migration
looks at those that are there.
"""

from __future__ import annotations

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

COMBO = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?/[0-9]+(\.[0-9]+)?|[0-9]{6}/[0-9]{6}[CP][0-9]+(\.[0-9]+)?)$"
NAME = "order_of_a_combo_is_one_that_ibkr_takes"
# The rule of before counts again for new rows; orders that were placed meanwhile stay.
NARROW = f"""
ALTER TABLE brokers_order ADD CONSTRAINT {NAME} CHECK (
  (conid >= 0 AND NOT (asset_class = 'option' AND ticker ~ '{COMBO}'))
  OR (conid < 0 AND asset_class = 'option' AND ticker ~ '{COMBO}' AND role IN ('entry', 'exit') AND type IN ('market', 'limit')
      AND time_in_force IN ('day', 'gtc') AND release IN ('at_once', 'after_parent_fills') AND NOT outside_rth AND fa_group = '')
) NOT VALID
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0111_notices_go_to_chats")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(f"ALTER TABLE brokers_order DROP CONSTRAINT {NAME}", NARROW)],
            state_operations=[migrations.RemoveConstraint("order", NAME)],
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(conid__gte=0) & ~Q(asset_class="option", ticker__regex=COMBO)
                | Q(
                    conid__lt=0,
                    asset_class="option",
                    ticker__regex=COMBO,
                    role__in=["entry", "exit"],
                    type__in=["market", "limit"],
                    time_in_force__in=["day", "gtc", "gtd"],
                    release__in=["at_once", "after_parent_fills"],
                    outside_rth=False,
                    fa_group="",
                ),
                name=NAME,
            ),
        ),
    ]
