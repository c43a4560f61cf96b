"""Options are traded. The check of their names counts for new rows at once; the next migration looks at those of before."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('brokers', '0075_stops_that_are_not_over'),
    ]

    operations = [
        migrations.AlterField(
            model_name='closing',
            name='asset_class',
            field=models.CharField(choices=[('stock', 'Stock'), ('future', 'Future'), ('forex', 'Forex'), ('option', 'Option')], max_length=20),
        ),
        migrations.AlterField(
            model_name='contractchoice',
            name='asset_class',
            field=models.CharField(choices=[('stock', 'Stock'), ('future', 'Future'), ('forex', 'Forex'), ('option', 'Option')], max_length=20),
        ),
        migrations.AlterField(
            model_name='contractlookup',
            name='asset_class',
            field=models.CharField(choices=[('stock', 'Stock'), ('future', 'Future'), ('forex', 'Forex'), ('option', 'Option')], max_length=20),
        ),
        migrations.AlterField(
            model_name='order',
            name='asset_class',
            field=models.CharField(choices=[('stock', 'Stock'), ('future', 'Future'), ('forex', 'Forex'), ('option', 'Option')], max_length=20),
        ),
        AddConstraintNotValid(
            'contractlookup',
            models.CheckConstraint(
                condition=~models.Q(asset_class='option')
                | models.Q(ticker__regex=r'^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?|[CP] [+0-9].*)$'),
                name='option_asked_for_is_named',
            ),
        ),
    ]
