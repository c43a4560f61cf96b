"""The check of 0085 for the rows of before, read without a lock that orders wait for; and the class of what is held and was
placed elsewhere, by its new name. These tables have what is there now, and no history."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokers", "0085_options_on_futures")]

    operations = [
        ValidateConstraint("contractlookup", "option_on_a_future_asked_for_is_named"),
        *(
            migrations.RunSQL(
                f"UPDATE brokers_{table} SET asset_class = 'future_option' WHERE asset_class = 'futures_option'",
                migrations.RunSQL.noop,
            )
            for table in ("position", "foreignorder", "unclaimedorder")
        ),
    ]
