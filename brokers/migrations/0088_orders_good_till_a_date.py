"""Orders good till a date: their end, and that they alone have one.

The checks count for new rows at once (NOT VALID: no row is read under the lock); the next migration looks at those that
are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q

TIMES = [
    ("day", "Day"),
    ("gtc", "Gtc"),
    ("gtd", "Gtd"),
    ("opg", "Opg"),
    ("cls", "Cls"),
    ("ioc", "Ioc"),
]


class Migration(migrations.Migration):
    dependencies = [("brokers", "0087_day_trades_left")]

    operations = [
        migrations.AddField("order", "good_till", models.DateTimeField(null=True, blank=True)),
        migrations.AlterField(
            "order", "time_in_force", models.CharField(max_length=20, choices=TIMES, default="day")
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(time_in_force="gtd", good_till__isnull=False)
                | ~Q(time_in_force="gtd") & Q(good_till__isnull=True),
                name="order_good_till_date_has_its_end",
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(good_till__isnull=True) | Q(expires_at__lte=F("good_till")),
                name="order_leaves_before_its_end",
            ),
        ),
    ]
