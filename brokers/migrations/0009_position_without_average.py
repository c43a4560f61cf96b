from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('brokers', '0008_price_bands'),
    ]

    operations = [
        migrations.AlterField(
            model_name='position',
            name='average_cost',
            field=models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True),
        ),
        # Backwards, an unknown average is the zero that stood for it.
        migrations.RunSQL(
            migrations.RunSQL.noop,
            'UPDATE brokers_position SET average_cost = 0 WHERE average_cost IS NULL',
        ),
    ]
