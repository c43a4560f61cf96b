"""Trailing stops that become limit orders: they have a limit, a stop and one distance.

The checks count for new rows at once (NOT VALID: no row is read under the lock); the next migration looks at those that
are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

TYPES = [
    *("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"),
    *("midprice", "trailing_stop_limit"),
]
CHECKS = {
    "order_limit_price_when_limit": ~Q(type__in=["limit", "stop_limit", "limit_if_touched", "trailing_stop_limit"])
    | Q(limit_price__isnull=False),
    "order_stop_price_when_stop": ~Q(
        type__in=["stop", "stop_limit", "market_if_touched", "limit_if_touched", "trailing_stop_limit"]
    )
    | Q(stop_price__isnull=False),
    "order_that_trails_has_one_distance": ~Q(type__in=["trailing_stop", "trailing_stop_limit"])
    | Q(trail_amount__isnull=False, trail_percent__isnull=True)
    | Q(trail_amount__isnull=True, trail_percent__isnull=False),
    "order_type_is_known": Q(type__in=TYPES),
}


class Migration(migrations.Migration):
    dependencies = [("brokers", "0072_orders_at_midprice_are_checked")]

    operations = [
        *(migrations.RemoveConstraint("order", name) for name in CHECKS),
        migrations.AlterField(
            "order",
            "type",
            models.CharField(max_length=20, choices=[(kind, kind.replace("_", " ").capitalize()) for kind in TYPES]),
        ),
        *(
            AddConstraintNotValid("order", models.CheckConstraint(condition=condition, name=name))
            for name, condition in CHECKS.items()
        ),
    ]
