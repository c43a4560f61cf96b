"""The index by which lanes find the shares of which they have to ask whether they can be borrowed."""

from django.db import migrations, models

from accounts.online.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("brokers", "0090_shares_to_borrow")]

    operations = [
        AddIndexOnline(
            model_name="contractlookup",
            index=models.Index(
                fields=["connection"],
                condition=models.Q(borrow_wanted_at__isnull=False),
                name="borrows_wanted",
            ),
        ),
    ]
