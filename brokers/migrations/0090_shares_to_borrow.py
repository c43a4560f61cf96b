"""What IBKR said last of borrowing a share, and since when somebody wants that word."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0089_orders_by_their_end")]

    operations = [
        migrations.AddField("contractlookup", "borrow", models.JSONField(blank=True, null=True)),
        migrations.AddField("contractlookup", "borrow_answered_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("contractlookup", "borrow_wanted_at", models.DateTimeField(blank=True, null=True)),
    ]
