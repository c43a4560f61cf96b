"""The check of the migration before looks at the orders that are there, without keeping anybody from writing."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0112_combos_good_till_a_date")]

    operations = [ValidateConstraint("order", "order_of_a_combo_is_one_that_ibkr_takes")]
