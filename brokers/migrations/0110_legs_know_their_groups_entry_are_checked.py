"""The checks of the migration before for the rows of before, where to look for the legs of an entry, and the entries of legs
that are there: their entry named them until now.

Nothing here takes a lock that orders wait for: the index is built CONCURRENTLY (SHARE UPDATE EXCLUSIVE).
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline

ONE_TEAM = "order_and_its_group_entry_share_a_team"


def name_entries(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write down of each leg which entry named it; done twice it does no more than once."""
    orders = apps.get_model("brokers", "Order").objects
    entries = orders.filter(legs_by_account__isnull=False).values_list("pk", "team", "legs_by_account")
    for pk, team, kept in entries.iterator():
        if references := kept.get("references"):
            legs = orders.filter(reference__in=references, team=team, group_entry=None)
            legs.filter(role="take_profit").update(group_entry=pk, rung=1)
            legs.filter(role="stop_loss").update(group_entry=pk)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0109_legs_know_their_groups_entry")]

    operations = [
        ValidateConstraint("order", "only_a_leg_of_an_account_has_a_groups_entry"),
        migrations.RunSQL(f"ALTER TABLE brokers_order VALIDATE CONSTRAINT {ONE_TEAM}", migrations.RunSQL.noop),
        AddIndexOnline(
            model_name="order",
            index=models.Index(
                fields=["group_entry", "account"],
                condition=Q(group_entry__isnull=False),
                name="legs_of_groups_entries",
            ),
        ),
        migrations.RunPython(name_entries, migrations.RunPython.noop),
    ]
