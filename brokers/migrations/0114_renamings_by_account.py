"""The index of the renamings of an account, the newest first: each decision on an option asks for them."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("brokers", "0113_combos_good_till_a_date_are_checked")]

    operations = [
        AddIndexOnline(
            model_name="corporateaction",
            index=models.Index(
                fields=["account", "-id"], condition=~Q(ticker_before=""), name="renamings_of_an_account"
            ),
        ),
    ]
