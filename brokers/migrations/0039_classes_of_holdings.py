"""A holding is stored as what it is, classes that Halyard does not trade included."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0038_missing_stops")]

    operations = [
        migrations.AlterField(model_name="position", name="asset_class", field=models.CharField(max_length=20)),
    ]
