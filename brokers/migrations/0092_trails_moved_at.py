"""When a row last took over the prices of a trailing stop limit."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0091_shares_to_ask_of")]

    operations = [migrations.AddField("order", "trail_moved_at", models.DateTimeField(null=True, blank=True))]
