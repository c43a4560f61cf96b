"""CFDs are a class that is traded; nothing in the database changes."""

from django.db import migrations, models

CLASSES = [("stock", "Stock"), ("future", "Future"), ("forex", "Forex"), ("option", "Option"), ("cfd", "CFD")]


class Migration(migrations.Migration):
    dependencies = [("brokers", "0080_corporate_actions")]

    operations = [
        migrations.AlterField(model, "asset_class", models.CharField(choices=CLASSES, max_length=20))
        for model in ("closing", "contractchoice", "contractlookup", "order")
    ]
