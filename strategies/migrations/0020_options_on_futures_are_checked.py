"""The check of 0019 for the rows of before, read without a lock that signals wait for."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("strategies", "0019_options_on_futures")]

    operations = [ValidateConstraint("strategy", "strategy_asset_class_is_known")]
