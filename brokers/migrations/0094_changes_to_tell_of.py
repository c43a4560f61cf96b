"""The index by which changes of orders are found that owners are to be told of."""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0093_orders_that_stay_are_told")]

    operations = [
        AddIndexOnline(
            model_name="ordermodification",
            index=models.Index(
                fields=["ended_at"],
                condition=models.Q(status__in=["refused", "not_made"], asked_by=None),
                name="modifications_to_tell_of",
            ),
        ),
    ]
