from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('brokers', '0002_available_funds'),
    ]

    operations = [
        migrations.AddField(
            model_name='brokerageaccount',
            name='asset_types',
            field=models.CharField(blank=True, default='', max_length=300),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='brokerageaccount',
            name='capabilities_as_of',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='brokerageaccount',
            name='clearing',
            field=models.CharField(blank=True, default='', max_length=12),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='brokerageaccount',
            name='client_trades',
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='brokerageaccount',
            name='is_lite',
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='contractlookup',
            name='permitted',
            field=models.JSONField(blank=True, null=True),
        ),
    ]
