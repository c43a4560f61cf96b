"""Orders that wait to be touched, and which prices they have.

The checks count for new rows at once (NOT VALID: no row is read under the lock); the next migration looks at those that
are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

TYPES = ["market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"]
TOUCHED = ["market_if_touched", "limit_if_touched"]
CHECKS = {
    "order_limit_price_when_limit": ~Q(type__in=["limit", "stop_limit", "limit_if_touched"])
    | Q(limit_price__isnull=False),
    "order_stop_price_when_stop": ~Q(type__in=["stop", "stop_limit", *TOUCHED]) | Q(stop_price__isnull=False),
    "order_if_touched_at_market_has_no_limit": ~Q(type="market_if_touched") | Q(limit_price__isnull=True),
    "order_if_touched_does_not_trail": ~Q(type__in=TOUCHED) | Q(trail_amount__isnull=True, trail_percent__isnull=True),
    "order_type_is_known": Q(type__in=TYPES),
}
REPLACED = ("order_limit_price_when_limit", "order_stop_price_when_stop", "order_type_is_known")


class Migration(migrations.Migration):
    dependencies = [("brokers", "0067_filters_by_index")]

    operations = [
        *(migrations.RemoveConstraint("order", name) for name in REPLACED),
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
