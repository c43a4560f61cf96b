"""The checks of 0095 for the rows of before, read without a lock that orders wait for, and the index of combos."""

from __future__ import annotations

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("brokers", "0095_combos")]

    operations = [
        ValidateConstraint("contractlookup", "option_asked_for_is_named"),
        ValidateConstraint("contractlookup", "only_a_combo_has_a_number_below_zero"),
        ValidateConstraint("order", "order_of_a_combo_is_one_that_ibkr_takes"),
        AddIndexOnline(
            model_name="order",
            index=models.Index(fields=["account", "conid"], condition=Q(conid__lt=0), name="orders_of_combos"),
        ),
    ]
