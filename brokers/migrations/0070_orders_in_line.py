"""What may leave next is found place by place, not by asking each order that waits.

The indexes are built CONCURRENTLY (SHARE UPDATE EXCLUSIVE): nobody who reads or writes waits.
"""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline

ONLY_CREATED = models.Q(status__range=("created", "created"))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0012_scheduled_tasks"),
        ("brokers", "0069_orders_if_touched_are_checked"),
    ]

    operations = [
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["connection", "role", "account", "conid", "ticket", "id"],
                condition=ONLY_CREATED & models.Q(asks_first=False, release__in=["at_once", "after_parent_fills"]),
                name="orders_in_line",
            ),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["connection", "ticket", "id"],
                condition=ONLY_CREATED & models.Q(asks_first=True),
                name="orders_that_ask_first",
            ),
        ),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["account", "conid"],
                condition=models.Q(status__range=("needs_attention", "needs_attention"))
                | models.Q(status__range=("unknown", "unknown")),
                name="orders_in_doubt",
            ),
        ),
    ]
