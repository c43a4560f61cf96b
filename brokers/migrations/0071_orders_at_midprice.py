"""Orders midway between bid and ask, which have no price that wakes them.

The checks count for new rows at once (NOT VALID: no row is read under the lock); the next migration looks at those that
are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

TYPES = [
    *("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"),
    "midprice",
]
CHECKS = {
    "order_at_midprice_has_no_stop": ~Q(type="midprice")
    | Q(stop_price__isnull=True, trail_amount__isnull=True, trail_percent__isnull=True),
    "order_type_is_known": Q(type__in=TYPES),
}


class Migration(migrations.Migration):
    dependencies = [("brokers", "0070_orders_in_line")]

    operations = [
        migrations.RemoveConstraint("order", "order_type_is_known"),
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
