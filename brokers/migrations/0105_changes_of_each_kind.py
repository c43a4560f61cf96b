"""When a refused cancel of an order past its date is asked for again; changes of an order's end; and a change that was not
made may name nothing.

Columns that may be null, or with a default of the database's, cost no rewrite. The checks count for new rows at once (NOT
VALID: no row is read under the lock); the next migration looks at those that are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("brokers", "0104_fills_of_before")]

    operations = [
        migrations.AddField("order", "cancel_again_at", models.DateTimeField(null=True, blank=True)),
        migrations.AddField(
            "ordermodification",
            "time_in_force",
            models.CharField(max_length=3, blank=True, default="", db_default=""),
        ),
        migrations.AddField("ordermodification", "good_till", models.DateTimeField(null=True, blank=True)),
        migrations.AddField("ordermodification", "good_till_before", models.DateTimeField(null=True, blank=True)),
        migrations.RemoveConstraint("ordermodification", "modification_changes_something"),
        AddConstraintNotValid(
            "ordermodification",
            models.CheckConstraint(
                condition=Q(time_in_force="", good_till=None, good_till_before=None)
                | Q(time_in_force="gtd", good_till__isnull=False, status__in=["made", "not_made"])
                | Q(time_in_force="gtc", good_till=None, status__in=["made", "not_made"]),
                name="modification_of_an_end_is_made_at_once",
            ),
        ),
        AddConstraintNotValid(
            "ordermodification",
            models.CheckConstraint(
                condition=Q(quantity__isnull=False)
                | Q(limit_price__isnull=False)
                | Q(stop_price__isnull=False)
                | Q(trail_amount__isnull=False)
                | Q(trail_percent__isnull=False)
                | ~Q(time_in_force="")
                | Q(status="not_made"),
                name="modification_changes_something",
            ),
        ),
    ]
