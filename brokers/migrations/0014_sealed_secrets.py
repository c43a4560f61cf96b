import accounts.vault.fields
from django.db import migrations


class Migration(migrations.Migration):
    """The column stays what it is: bytes, now with an owner who encrypts them."""

    dependencies = [("brokers", "0013_demo_teams_trade_no_money")]

    operations = [
        migrations.AlterField(
            model_name="connection",
            name="secrets",
            field=accounts.vault.fields.SealedField(blank=True, default=accounts.vault.fields.Sealed),
        ),
    ]
