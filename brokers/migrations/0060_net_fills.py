import django.db.models.deletion
from django.db import migrations, models

# A row for each change, since a running sum in one row would let a fill wait for another, and two that fill two contracts in
# two orders wait for each other for ever. Rows that nobody else is at are gathered now and then, by whoever comes by.
NOTE = """
CREATE FUNCTION brokers_note_net_fill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bought numeric := CASE NEW.side WHEN 'buy' THEN NEW.filled_quantity ELSE -NEW.filled_quantity END;
    before numeric := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := CASE OLD.side WHEN 'buy' THEN OLD.filled_quantity ELSE -OLD.filled_quantity END;
        IF (OLD.account_id, OLD.conid) <> (NEW.account_id, NEW.conid) THEN
            IF before <> 0 THEN
                INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES (OLD.account_id, OLD.conid, -before);
            END IF;
            before := 0;
        END IF;
    END IF;
    IF bought <> before THEN
        INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES (NEW.account_id, NEW.conid, bought - before);
    END IF;
    IF random() < 1.0 / 32 THEN
        WITH gathered AS (
            DELETE FROM brokers_netfill WHERE id IN (
                SELECT id FROM brokers_netfill WHERE account_id = NEW.account_id AND conid = NEW.conid
                ORDER BY id FOR UPDATE SKIP LOCKED
            ) RETURNING quantity
        )
        INSERT INTO brokers_netfill (account_id, conid, quantity)
        SELECT NEW.account_id, NEW.conid, sum(quantity) FROM gathered HAVING sum(quantity) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER net_fill_of_a_new_order AFTER INSERT ON brokers_order
    FOR EACH ROW WHEN (NEW.filled_quantity <> 0) EXECUTE FUNCTION brokers_note_net_fill();
CREATE TRIGGER net_fill_of_an_order AFTER UPDATE OF filled_quantity, side, conid, account_id ON brokers_order
    FOR EACH ROW WHEN (
        (OLD.filled_quantity, OLD.side, OLD.conid, OLD.account_id)
        IS DISTINCT FROM (NEW.filled_quantity, NEW.side, NEW.conid, NEW.account_id)
    ) EXECUTE FUNCTION brokers_note_net_fill();
"""
FORGET = """
DROP TRIGGER net_fill_of_an_order ON brokers_order;
DROP TRIGGER net_fill_of_a_new_order ON brokers_order;
DROP FUNCTION brokers_note_net_fill();
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0059_moves_are_checked")]

    operations = [
        migrations.CreateModel(
            name="NetFill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("conid", models.BigIntegerField()),
                ("quantity", models.DecimalField(decimal_places=8, max_digits=24)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="net_fills",
                        to="brokers.brokerageaccount",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["account", "conid"], name="net_fills_of_a_contract")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity", 0), _negated=True), name="net_fill_is_never_zero"
                    )
                ],
            },
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
