"""The name that an option had before a split, what a change of a holding is of that a list names no more, and names of options whose terms a split has changed, AAPL1 261218C320.

Columns with a default of the database's cost no rewrite. The check counts for new rows at once (NOT VALID: no row is read under
the lock), and it is wider than before; the next migration looks at those that are there.
"""

from __future__ import annotations

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

BEFORE = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?|[CP] [+0-9].*)$"
NAME_OR_RULE = r"^[A-Z]{1,6}(\.[A-Z]{1,2})?([1-9]? [0-9]{6}[CP][0-9]+(\.[0-9]+)?| [CP] [+0-9].*)$"
COMBO = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?/[0-9]+(\.[0-9]+)?|[0-9]{6}/[0-9]{6}[CP][0-9]+(\.[0-9]+)?)$"
# The rule of before counts again for new rows; contracts that were looked up meanwhile stay.
NARROW = f"""
ALTER TABLE brokers_contractlookup ADD CONSTRAINT option_asked_for_is_named
CHECK (asset_class <> 'option' OR ticker ~ '{BEFORE}' OR ticker ~ '{COMBO}') NOT VALID
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0106_changes_of_each_kind_wait_alone")]

    operations = [
        migrations.AddField(
            "corporateaction",
            "ticker_before",
            models.CharField(max_length=40, blank=True, default="", db_default=""),
        ),
        *(
            migrations.AddField(
                "unexplainedchange",
                name,
                models.CharField(max_length=length, blank=True, default="", db_default=""),
            )
            for name, length in (("ticker", 40), ("asset_class", 20), ("currency", 3))
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("ALTER TABLE brokers_contractlookup DROP CONSTRAINT option_asked_for_is_named", NARROW)
            ],
            state_operations=[migrations.RemoveConstraint("contractlookup", "option_asked_for_is_named")],
        ),
        AddConstraintNotValid(
            "contractlookup",
            models.CheckConstraint(
                condition=~Q(asset_class="option") | Q(ticker__regex=NAME_OR_RULE) | Q(ticker__regex=COMBO),
                name="option_asked_for_is_named",
            ),
        ),
    ]
