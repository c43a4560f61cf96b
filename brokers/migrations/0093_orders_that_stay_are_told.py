"""Owners are told of orders past their date that IBKR does not cancel, and of stops and targets that were not changed."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

KINDS = [
    ("not-ready", "Not-ready"),
    ("weekly-sign-in", "Weekly-sign-in"),
    ("ready-again", "Ready-again"),
    ("certificate-changed", "Certificate-changed"),
    ("missing-stop", "Missing-stop"),
    ("prompt-left", "Prompt-left"),
    ("not-canceled", "Not-canceled"),
    ("not-moved", "Not-moved"),
]


class Migration(migrations.Migration):
    dependencies = [("brokers", "0092_trails_moved_at")]

    operations = [
        migrations.RemoveConstraint("notice", "notice_kind_is_known"),
        migrations.AlterField("notice", "kind", models.CharField(max_length=20, choices=KINDS)),
        migrations.AlterField("silencednotice", "kind", models.CharField(max_length=20, choices=KINDS)),
        migrations.AddConstraint(
            "notice",
            models.CheckConstraint(condition=Q(kind__in=[kind for kind, _ in KINDS]), name="notice_kind_is_known"),
        ),
        migrations.AddField(
            "notice",
            "refused",
            models.OneToOneField(
                null=True,
                blank=True,
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notice",
                to="brokers.submissionattempt",
            ),
        ),
        migrations.AddField(
            "notice",
            "modification",
            models.OneToOneField(
                null=True,
                blank=True,
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notice",
                to="brokers.ordermodification",
            ),
        ),
    ]
