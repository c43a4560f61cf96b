"""The moves of orders that are there already pass the check that new ones pass since the migration before."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokers", "0058_changes_that_no_fill_explains")]

    operations = [ValidateConstraint(model_name="orderevent", name="order_event_is_a_legal_move")]
