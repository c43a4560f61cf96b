"""An order keeps since when IBKR's list of orders has been empty while it was to be in it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0064_tickets_adopted")]

    operations = [
        migrations.AddField(
            model_name="order", name="unlisted_since", field=models.DateTimeField(blank=True, null=True)
        ),
    ]
