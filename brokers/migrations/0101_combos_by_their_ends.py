"""Indexes by which combos are found: those of which no leg has ended, and those with a certain leg. That by their whole
number served neither."""

from __future__ import annotations

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

from accounts.online.indexes import AddIndexOnline

WHOLE = models.BigIntegerField()
EXPRESSIONS = {
    "combos_by_their_first_end": models.Func(
        F("ticker"),
        template="substring(%(expressions)s from '([0-9]{6})[CP]')",
        output_field=models.TextField(),
    ),
    "combos_by_their_long_leg": models.Func(F("conid"), template="((-%(expressions)s) >> 31)", output_field=WHOLE),
    "combos_by_their_short_leg": models.Func(
        F("conid"), template="((-%(expressions)s) & 2147483647)", output_field=WHOLE
    ),
}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("brokers", "0100_stops_that_move_by_rule_are_checked")]

    operations = [
        *(
            AddIndexOnline("order", models.Index(F("account"), expression, condition=Q(conid__lt=0), name=name))
            for name, expression in EXPRESSIONS.items()
        ),
        RemoveIndexConcurrently("order", "orders_of_combos"),
    ]
