"""The check of 0049 for the rows of before, read without a lock that orders wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokers", "0049_entries_that_ask_first")]

    operations = [ValidateConstraint("order", "only_an_entry_asks_first")]
