"""Options on futures are a class that is traded. The check of their names counts for new rows at once; the next migration
looks at those of before, of which there are none."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

CLASSES = [
    ("stock", "Stock"),
    ("future", "Future"),
    ("forex", "Forex"),
    ("option", "Option"),
    ("future_option", "Future option"),
    ("cfd", "CFD"),
]
NAME_OR_RULE = (
    r"^([A-Z0-9]{1,5}[FGHJKMNQUVXZ][0-9]{4} [0-9]{6}[CP][0-9]+(\.[0-9]+)?"
    r"|[A-Z0-9]{1,5}([FGHJKMNQUVXZ][0-9]{4})? [CP] [+0-9].*)$"
)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0084_legs_from_the_fill_are_checked")]

    operations = [
        *(
            migrations.AlterField(model, "asset_class", models.CharField(choices=CLASSES, max_length=20))
            for model in ("closing", "contractchoice", "contractlookup", "order")
        ),
        AddConstraintNotValid(
            "contractlookup",
            models.CheckConstraint(
                condition=~Q(asset_class="future_option") | Q(ticker__regex=NAME_OR_RULE),
                name="option_on_a_future_asked_for_is_named",
            ),
        ),
    ]
