"""Stops that move once targets of their entry have filled: after how many, where to, how far, and when that was asked for.
Owners are told where a part of an entry is refused.

Columns with a default of the database's cost no rewrite. The check counts for new rows at once (NOT VALID: no row is read
under the lock); the next migration looks at those that are there.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


_KINDS = [
        ("not-ready", "Not-ready"),
        ("weekly-sign-in", "Weekly-sign-in"),
        ("ready-again", "Ready-again"),
        ("certificate-changed", "Certificate-changed"),
        ("missing-stop", "Missing-stop"),
        ("prompt-left", "Prompt-left"),
        ("not-canceled", "Not-canceled"),
    ("not-moved", "Not-moved"),
        ("part-refused", "Part-refused"),
]


class Migration(migrations.Migration):
    dependencies = [("brokers", "0098_legs_by_account_are_checked")]

    operations = [
        migrations.AddField("order", "moves_after", models.PositiveSmallIntegerField(null=True, blank=True)),
        migrations.AddField(
            "order",
            "moves_to",
            models.CharField(
                max_length=13,
                choices=[
                    ("break_even", "Break even"),
                    ("trail_amount", "Trail amount"),
                    ("trail_percent", "Trail percent"),
                ],
                blank=True,
                default="",
                db_default="",
            ),
        ),
        migrations.AddField(
            "order", "moves_by", models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
        ),
        migrations.AddField("order", "moved_by_rule_at", models.DateTimeField(null=True, blank=True)),
        migrations.AddField("order", "moves_with", models.CharField(max_length=64, blank=True, default="", db_default="")),
        migrations.AddField("ordermodification", "by_rule", models.BooleanField(default=False, db_default=False)),
        migrations.AlterField("notice", "kind", models.CharField(choices=_KINDS, max_length=20)),
        migrations.AlterField("silencednotice", "kind", models.CharField(choices=_KINDS, max_length=20)),
        migrations.RemoveConstraint("notice", "notice_kind_is_known"),
        AddConstraintNotValid(
            "notice",
            models.CheckConstraint(
                condition=Q(kind__in=[kind for kind, _ in _KINDS]), name="notice_kind_is_known"
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(moves_after=None, moves_to="", moves_by=None, moved_by_rule_at=None, moves_with="")
                | Q(
                    role__in=["stop_loss", "take_profit"],
                    moves_after__isnull=False,
                    moves_after__gt=0,
                    moves_to__in=["break_even", "trail_amount", "trail_percent"],
                    moves_by__isnull=False,
                    moves_by__gte=0,
                ),
                name="only_a_leg_has_a_rule_of_moving",
            ),
        ),
    ]
