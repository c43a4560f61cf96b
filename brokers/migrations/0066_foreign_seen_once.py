"""Orders of others that one report alone has shown are found by an index, built CONCURRENTLY (SHARE UPDATE EXCLUSIVE)."""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0065_unlisted_since")]

    operations = [
        AddIndexOnline(
            model_name="foreignorder",
            index=models.Index(
                condition=models.Q(("seen_at", models.F("first_seen_at"))),
                fields=["first_seen_at"],
                name="foreign_orders_seen_once",
            ),
        ),
    ]
