"""Strategies that trade options on futures. The check counts for new rows at once; the next migration looks at those of before."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

CLASSES = ["stock", "future", "option", "future_option", "crypto", "forex", "cfd"]


class Migration(migrations.Migration):
    dependencies = [("strategies", "0018_cfds_are_checked")]

    operations = [
        migrations.RemoveConstraint("strategy", "strategy_asset_class_is_known"),
        migrations.AlterField(
            "strategy",
            "asset_class",
            models.CharField(
                choices=[
                    (name, "CFD" if name == "cfd" else name.replace("_", " ").capitalize()) for name in CLASSES
                ],
                default="stock",
                max_length=20,
            ),
        ),
        AddConstraintNotValid(
            "strategy",
            models.CheckConstraint(condition=Q(asset_class__in=CLASSES), name="strategy_asset_class_is_known"),
        ),
    ]
