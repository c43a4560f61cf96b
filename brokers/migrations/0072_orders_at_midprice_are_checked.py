"""The checks of 0071 for the rows of before, read without a lock that orders wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokers", "0071_orders_at_midprice")]

    operations = [
        ValidateConstraint("order", name) for name in ("order_at_midprice_has_no_stop", "order_type_is_known")
    ]
