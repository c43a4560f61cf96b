"""Combos are traded. The checks count for new rows at once; the next migration looks at those of before."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

COMBO = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?/[0-9]+(\.[0-9]+)?|[0-9]{6}/[0-9]{6}[CP][0-9]+(\.[0-9]+)?)$"
NAME_OR_RULE = r"^[A-Z]{1,6}(\.[A-Z]{1,2})? ([0-9]{6}[CP][0-9]+(\.[0-9]+)?|[CP] [+0-9].*)$"
# What our orders hold of a contract: a combo's fill is one of each of its legs, bought and sold. The number of a combo is
# made of those of its legs (`brokers.domain.contracts.combos`).
NOTE = """
CREATE OR REPLACE FUNCTION brokers_note_net_fill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bought numeric := CASE NEW.side WHEN 'buy' THEN NEW.filled_quantity ELSE -NEW.filled_quantity END;
    before numeric := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := CASE OLD.side WHEN 'buy' THEN OLD.filled_quantity ELSE -OLD.filled_quantity END;
        IF (OLD.account_id, OLD.conid) <> (NEW.account_id, NEW.conid) THEN
            IF before <> 0 AND OLD.conid < 0 THEN
                INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES
                    (OLD.account_id, (-OLD.conid) >> 31, -before),
                    (OLD.account_id, (-OLD.conid) & 2147483647, before);
            ELSIF before <> 0 THEN
                INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES (OLD.account_id, OLD.conid, -before);
            END IF;
            before := 0;
        END IF;
    END IF;
    IF bought <> before AND NEW.conid < 0 THEN
        INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES
            (NEW.account_id, (-NEW.conid) >> 31, bought - before),
            (NEW.account_id, (-NEW.conid) & 2147483647, before - bought);
    ELSIF bought <> before THEN
        INSERT INTO brokers_netfill (account_id, conid, quantity) VALUES (NEW.account_id, NEW.conid, bought - before);
    END IF;
    IF random() < 1.0 / 32 THEN
        WITH gathered AS (
            DELETE FROM brokers_netfill WHERE id IN (
                SELECT id FROM brokers_netfill WHERE account_id = NEW.account_id
                AND conid IN (NEW.conid, (-NEW.conid) >> 31, (-NEW.conid) & 2147483647)
                AND (NEW.conid < 0 OR conid = NEW.conid)
                ORDER BY id FOR UPDATE SKIP LOCKED
            ) RETURNING conid, quantity
        )
        INSERT INTO brokers_netfill (account_id, conid, quantity)
        SELECT NEW.account_id, conid, sum(quantity) FROM gathered GROUP BY conid HAVING sum(quantity) <> 0;
    END IF;
    RETURN NULL;
END $$;
"""

# As it was before combos.
NOTE_WITHOUT = """
CREATE OR REPLACE FUNCTION brokers_note_net_fill() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""
# The rule of before counts again for new rows; combos that were looked up meanwhile stay, and no reading looks at them.
NARROW = f"""
ALTER TABLE brokers_contractlookup ADD CONSTRAINT option_asked_for_is_named
CHECK (asset_class <> 'option' OR ticker ~ '{NAME_OR_RULE}') NOT VALID
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0094_changes_to_tell_of")]

    operations = [
        migrations.RunSQL(NOTE, NOTE_WITHOUT),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("ALTER TABLE brokers_contractlookup DROP CONSTRAINT option_asked_for_is_named", NARROW)
            ],
            state_operations=[migrations.RemoveConstraint("contractlookup", "option_asked_for_is_named")],
        ),
        AddConstraintNotValid(
            "contractlookup",
            models.CheckConstraint(
                condition=~Q(asset_class="option") | Q(ticker__regex=NAME_OR_RULE) | Q(ticker__regex=COMBO),
                name="option_asked_for_is_named",
            ),
        ),
        AddConstraintNotValid(
            "contractlookup",
            models.CheckConstraint(
                condition=Q(conid=None) | Q(conid__gte=0) | Q(asset_class="option", ticker__regex=COMBO),
                name="only_a_combo_has_a_number_below_zero",
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(conid__gte=0) & ~Q(asset_class="option", ticker__regex=COMBO)
                | Q(
                    conid__lt=0,
                    asset_class="option",
                    ticker__regex=COMBO,
                    role__in=["entry", "exit"],
                    type__in=["market", "limit"],
                    time_in_force__in=["day", "gtc"],
                    release__in=["at_once", "after_parent_fills"],
                    outside_rth=False,
                    fa_group="",
                ),
                name="order_of_a_combo_is_one_that_ibkr_takes",
            ),
        ),
    ]
