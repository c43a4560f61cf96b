"""Whether a contract has a stop is found without reading what else waits in it.

The index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline

OVER = ["filled", "canceled", "expired", "rejected", "denied"]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0074_trailing_stop_limits_are_checked")]

    operations = [
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["account", "conid"],
                condition=models.Q(role="stop_loss") & ~models.Q(status__in=OVER),
                name="stops_that_are_not_over",
            ),
        ),
    ]
