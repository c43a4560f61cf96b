"""An entry may have to wait for IBKR's preview; nothing else may. The check counts for new rows at once."""

from __future__ import annotations

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0048_money_by_stream")]

    operations = [
        migrations.AddField("order", "asks_first", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("whatif", "by_policy", models.BooleanField(default=False, db_default=False)),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=models.Q(asks_first=False) | models.Q(role="entry"), name="only_an_entry_asks_first"
            ),
        ),
    ]
