"""In which contracts fills have changed, written by Postgres with each fill; and the rates of fills in other currencies.

The trigger is made without reading a row: its lock (SHARE ROW EXCLUSIVE) is held for a moment. Fills of before are noted by
the next migration, when nobody waits for this lock any more.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# A row for each fill: one row that all fills of a contract write would let them wait for each other. The contract of before
# is noted too where a correction names another one.
NOTE = """
CREATE FUNCTION brokers_note_fill_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO brokers_fillchange (account_id, conid, since)
        VALUES (NEW.account_id, NEW.conid, least(OLD.executed_at, NEW.executed_at));
        IF (OLD.account_id, OLD.conid) <> (NEW.account_id, NEW.conid) THEN
            INSERT INTO brokers_fillchange (account_id, conid, since) VALUES (OLD.account_id, OLD.conid, OLD.executed_at);
        END IF;
    ELSE
        INSERT INTO brokers_fillchange (account_id, conid, since) VALUES (NEW.account_id, NEW.conid, NEW.executed_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fill_change_of_a_new_fill AFTER INSERT ON brokers_execution
    FOR EACH ROW EXECUTE FUNCTION brokers_note_fill_change();
CREATE TRIGGER fill_change_of_a_fill
    AFTER UPDATE OF order_id, conid, account_id, side, quantity, price, fee, currency, executed_at ON brokers_execution
    FOR EACH ROW WHEN (
        (OLD.order_id, OLD.conid, OLD.account_id, OLD.side, OLD.quantity, OLD.price, OLD.fee, OLD.currency, OLD.executed_at)
        IS DISTINCT FROM
        (NEW.order_id, NEW.conid, NEW.account_id, NEW.side, NEW.quantity, NEW.price, NEW.fee, NEW.currency, NEW.executed_at)
    ) EXECUTE FUNCTION brokers_note_fill_change();
"""
FORGET = """
DROP TRIGGER fill_change_of_a_fill ON brokers_execution;
DROP TRIGGER fill_change_of_a_new_fill ON brokers_execution;
DROP FUNCTION brokers_note_fill_change();
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0102_option_chains")]

    operations = [
        migrations.CreateModel(
            name="FillChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("conid", models.BigIntegerField()),
                ("since", models.DateTimeField()),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="brokers.brokerageaccount",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of fills",
                "verbose_name_plural": "changes of fills",
                "indexes": [models.Index(fields=["account", "conid"], name="fill_changes_of_a_contract")],
            },
        ),
        migrations.CreateModel(
            name="FillRate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("target", models.CharField(max_length=3)),
                ("rate", models.DecimalField(decimal_places=10, max_digits=24)),
                ("as_of", models.DateTimeField()),
                (
                    "execution",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rate",
                        to="brokers.execution",
                    ),
                ),
            ],
            options={
                "verbose_name": "rate of a fill",
                "verbose_name_plural": "rates of fills",
                "constraints": [models.CheckConstraint(condition=Q(rate__gt=0), name="fill_rate_is_above_zero")],
            },
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
