"""The check of 0085 for the rows of before, read without a lock that orders wait for; and the class of what is held and was
placed elsewhere, by its new name. These tables have what is there now, and no history.

No transaction is around it: readers of the book write these rows each second, so each portion of them is locked for as long
as it takes to write it. Broken off, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

AT_ONCE = 500


def renamed(table: str) -> Callable[[Any, BaseDatabaseSchemaEditor], None]:
    """Give the rows of a table the new name, a portion at a time."""

    def rename(_apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        with editor.connection.cursor() as cursor:
            while True:
                cursor.execute(
                    f"UPDATE brokers_{table} SET asset_class = 'future_option' WHERE id IN"
                    f" (SELECT id FROM brokers_{table} WHERE asset_class = 'futures_option' LIMIT %s)",
                    [AT_ONCE],
                )
                if not cursor.rowcount:
                    return

    return rename


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0085_options_on_futures")]

    operations = [
        ValidateConstraint("contractlookup", "option_on_a_future_asked_for_is_named"),
        *(
            migrations.RunPython(renamed(table), migrations.RunPython.noop)
            for table in ("position", "foreignorder", "unclaimedorder")
        ),
    ]
