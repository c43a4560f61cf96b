"""The check of 0105 for the contracts of before, without a lock that decisions wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0107_options_that_a_split_renamed")]

    operations = [ValidateConstraint("contractlookup", "option_asked_for_is_named")]
