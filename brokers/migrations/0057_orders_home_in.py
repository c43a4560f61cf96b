from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0056_unclaimed_orders")]

    operations = [
        migrations.AddField(
            model_name="brokerageaccount",
            name="orders_home_in",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=60),
        ),
    ]
