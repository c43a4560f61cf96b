"""Pending decisions note whether they are ways out: a column with a default in the database.

ACCESS EXCLUSIVE for a moment, and nothing is rewritten. Its index comes in a migration of its own: one that was broken
off while it waits is begun again without the column in its way.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("strategies", "0011_history_costs_nothing")]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="way_out",
            field=models.CharField(
                blank=True,
                choices=[("", "No"), ("first", "First"), ("later", "Later")],
                db_default="",
                default="",
                editable=False,
                max_length=5,
            ),
        ),
    ]
