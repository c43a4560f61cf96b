"""Legs that are counted again from the price at which their entry fills: how far from it they stand, and what was counted.

Columns with a default of the database's cost no rewrite. The checks count for new rows at once (NOT VALID: no row is read
under the lock); the next migration looks at those that are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

CHECKS = {
    "only_a_leg_is_counted_from_a_fill": Q(distance=None, distance_in="")
    | Q(distance__isnull=False, distance__gt=0, distance_in__in=["amount", "percent", "pnl_amount"], role__in=["stop_loss", "take_profit"]),
    "only_an_entry_has_legs_from_its_fill": Q(legs_from_fill=False, legs_counted_from=None)
    | Q(legs_from_fill=True, role="entry"),
}


def amount():
    return models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0082_settled_cash")]

    operations = [
        migrations.AddField("order", "distance", amount()),
        migrations.AddField(
            "order",
            "distance_in",
            models.CharField(
                max_length=10,
                choices=[("percent", "Percent"), ("amount", "Amount"), ("pnl_amount", "Pnl amount")],
                blank=True,
                default="",
                db_default="",
            ),
        ),
        migrations.AddField("order", "legs_from_fill", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("order", "legs_counted_from", amount()),
        migrations.AddField("ordermodification", "from_fill", models.BooleanField(default=False, db_default=False)),
        *(
            AddConstraintNotValid("order", models.CheckConstraint(condition=condition, name=name))
            for name, condition in CHECKS.items()
        ),
    ]
