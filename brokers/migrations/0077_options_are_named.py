"""The check of 0076 for the rows of before, read without a lock that orders wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokers", "0076_options_are_traded")]

    operations = [ValidateConstraint("contractlookup", "option_asked_for_is_named")]
