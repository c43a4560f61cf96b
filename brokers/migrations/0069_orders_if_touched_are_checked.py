"""The checks of 0068 for the rows of before, read without a lock that orders wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

NAMES = (
    "order_limit_price_when_limit",
    "order_stop_price_when_stop",
    "order_if_touched_at_market_has_no_limit",
    "order_if_touched_does_not_trail",
    "order_type_is_known",
)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0068_orders_if_touched")]

    operations = [ValidateConstraint("order", name) for name in NAMES]
