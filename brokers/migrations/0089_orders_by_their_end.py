"""The checks of 0088 for the rows of before, and the index by which orders are found whose end has come.

Both read the table without a lock that orders wait for.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0088_orders_good_till_a_date")]

    operations = [
        ValidateConstraint("order", "order_good_till_date_has_its_end"),
        ValidateConstraint("order", "order_leaves_before_its_end"),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["good_till"],
                condition=models.Q(status__in=["accepted", "partially_filled"], good_till__isnull=False),
                name="orders_by_their_end",
            ),
        ),
    ]
