"""Stops and targets of an entry for an advisor's group: kept with it, until each account has got its own.

Columns that may be null cost no rewrite. The checks count for new rows at once (NOT VALID: no row is read under the lock);
the next migration looks at those that are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

CHECKS = {
    "only_an_entry_for_a_group_has_legs_by_account": Q(legs_by_account__isnull=True, legs_look_at=None)
    | Q(legs_by_account__isnull=False, role="entry") & ~Q(fa_group=""),
    "legs_by_account_are_no_orders": ~Q(release="by_account"),
}
RELEASES = [
    ("at_once", "At once"),
    ("with_parent", "With parent"),
    ("in_group", "In group"),
    ("after_parent_fills", "After parent fills"),
    ("by_account", "By account"),
]


class Migration(migrations.Migration):
    dependencies = [("brokers", "0096_combos_are_checked")]

    operations = [
        migrations.AddField("order", "legs_by_account", models.JSONField(null=True, blank=True)),
        migrations.AddField("order", "legs_look_at", models.DateTimeField(null=True, blank=True)),
        migrations.AlterField(
            "order", "release", models.CharField(max_length=20, choices=RELEASES, default="at_once")
        ),
        *(
            AddConstraintNotValid("order", models.CheckConstraint(condition=condition, name=name))
            for name, condition in CHECKS.items()
        ),
    ]
