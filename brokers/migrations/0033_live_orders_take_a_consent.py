from django.db import migrations

# A consent stands while the connection is switched on with the number of an account that a person typed for it. It is
# asked for whenever an order comes to the broker, and whenever anything but a cancel is written down as leaving.
REFUSE = """
CREATE FUNCTION brokers_takes_no_live_order(connection bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM brokers_connection c
         WHERE c.id = connection AND c.environment = 'live' AND NOT (c.enabled AND c.live_account <> '')
    )
$$;
CREATE FUNCTION brokers_refuse_a_live_order_without_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF brokers_takes_no_live_order(NEW.connection_id) THEN
        RAISE EXCEPTION 'an order of a live connection leaves only while a consent to real money stands'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'live_order_takes_a_consent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER live_order_takes_a_consent_when_made
    BEFORE INSERT ON brokers_order
    FOR EACH ROW WHEN (NEW.status NOT IN ('created', 'denied', 'expired', 'canceled'))
    EXECUTE FUNCTION brokers_refuse_a_live_order_without_consent();
CREATE TRIGGER live_order_takes_a_consent
    BEFORE UPDATE OF status, connection_id ON brokers_order
    FOR EACH ROW WHEN (
        NEW.status NOT IN ('created', 'denied', 'expired', 'canceled')
        AND (OLD.status = 'created' OR OLD.connection_id <> NEW.connection_id
             OR NEW.status = 'submitted' AND OLD.status <> 'submitted')
    )
    EXECUTE FUNCTION brokers_refuse_a_live_order_without_consent();
CREATE FUNCTION brokers_refuse_a_live_write_without_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF brokers_takes_no_live_order((SELECT o.connection_id FROM brokers_order o WHERE o.id = NEW.order_id)) THEN
        RAISE EXCEPTION 'a change of a live order leaves only while a consent to real money stands'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'live_write_takes_a_consent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER live_write_takes_a_consent
    BEFORE INSERT ON brokers_submissionattempt
    FOR EACH ROW WHEN (NEW.kind <> 'cancel')
    EXECUTE FUNCTION brokers_refuse_a_live_write_without_consent();
"""
ALLOW = """
DROP TRIGGER live_write_takes_a_consent ON brokers_submissionattempt;
DROP FUNCTION brokers_refuse_a_live_write_without_consent();
DROP TRIGGER live_order_takes_a_consent ON brokers_order;
DROP TRIGGER live_order_takes_a_consent_when_made ON brokers_order;
DROP FUNCTION brokers_refuse_a_live_order_without_consent();
DROP FUNCTION brokers_takes_no_live_order(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0032_keys_in_the_making")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
