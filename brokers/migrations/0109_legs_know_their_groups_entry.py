"""A leg that an account of an advisor's group got knows the group's entry, and which of its targets it is.

Columns that may be null cost no rewrite. The checks count for new rows at once (NOT VALID: no row is read under the lock);
the next migration looks at those that are there.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

from accounts.constraints import SameTeam

ONE_TEAM = "order_and_its_group_entry_share_a_team"
ITS_LEGS = Q(group_entry=None, rung=None) | Q(group_entry__isnull=False, role="stop_loss", rung=None) | (
    Q(group_entry__isnull=False, role="take_profit") & (Q(rung=None) | Q(rung__gt=0))
)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0108_options_that_a_split_renamed_are_checked")]

    operations = [
        migrations.AddField(
            "order",
            "group_entry",
            models.ForeignKey(
                "brokers.order",
                null=True,
                blank=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="account_legs",
                db_constraint=False,
                db_index=False,
            ),
        ),
        migrations.AddField("order", "rung", models.PositiveSmallIntegerField(null=True, blank=True)),
        AddConstraintNotValid(
            "order", models.CheckConstraint(condition=ITS_LEGS, name="only_a_leg_of_an_account_has_a_groups_entry")
        ),
        migrations.RunSQL(
            f"ALTER TABLE brokers_order ADD CONSTRAINT {ONE_TEAM} FOREIGN KEY (team_id, group_entry_id)"
            " REFERENCES brokers_order (team_id, id) DEFERRABLE INITIALLY IMMEDIATE NOT VALID",
            f"ALTER TABLE brokers_order DROP CONSTRAINT {ONE_TEAM}",
            state_operations=[
                migrations.AddConstraint(
                    "order",
                    SameTeam(
                        field="group_entry",
                        name=ONE_TEAM,
                        violation_error_message="This group entry belongs to another team.",
                    ),
                )
            ],
        ),
    ]
