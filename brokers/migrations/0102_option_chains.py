"""What IBKR has said of options' chains, kept between lanes, and which of them are to be asked ahead."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokers", "0101_combos_by_their_ends")]

    operations = [
        migrations.CreateModel(
            name="OptionChain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=16)),
                ("said", models.JSONField()),
                ("said_at", models.DateTimeField()),
                ("wanted_at", models.DateTimeField(blank=True, null=True)),
                ("warmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="option_chains",
                        to="brokers.connection",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("wanted_at__isnull", False)), fields=["connection"], name="chains_wanted"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("connection", "name"), name="one_chain_per_connection_and_name"
                    )
                ],
            },
        ),
    ]
