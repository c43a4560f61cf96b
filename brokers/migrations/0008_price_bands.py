from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('brokers', '0007_why_a_symbol_is_not_known'),
    ]

    operations = [
        migrations.AddField(
            model_name='contractlookup',
            name='increments',
            field=models.JSONField(blank=True, null=True),
        ),
    ]
