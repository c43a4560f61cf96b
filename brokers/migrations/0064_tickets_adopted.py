"""Adopted tickets are found by an index, built without making anybody wait."""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0063_adopted_tickets")]

    operations = [
        AddIndexOnline(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("adopted_at__isnull", False)), fields=["id"], name="tickets_adopted"
            ),
        ),
    ]
