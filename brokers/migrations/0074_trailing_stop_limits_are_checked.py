"""The checks of 0073 for the rows of before, read without a lock that orders wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

NAMES = (
    "order_limit_price_when_limit",
    "order_stop_price_when_stop",
    "order_that_trails_has_one_distance",
    "order_type_is_known",
)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0073_trailing_stop_limits")]

    operations = [ValidateConstraint("order", name) for name in NAMES]
