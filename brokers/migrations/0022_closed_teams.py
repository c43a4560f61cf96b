from django.db import migrations

# Asked at commit: by then whoever closes the team at the same moment is done.
REFUSE = """
CREATE FUNCTION brokers_refuse_a_connection_of_a_closed_team() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM brokers_connection c JOIN accounts_team t ON t.id = c.team_id
         WHERE c.id = NEW.id AND c.enabled AND t.closed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a closed team never holds an enabled connection'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'closed_team_never_holds_a_connection';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER closed_team_never_holds_a_connection
    AFTER INSERT OR UPDATE OF team_id, enabled ON brokers_connection
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.enabled)
    EXECUTE FUNCTION brokers_refuse_a_connection_of_a_closed_team();
"""
ALLOW = """
DROP TRIGGER closed_team_never_holds_a_connection ON brokers_connection;
DROP FUNCTION brokers_refuse_a_connection_of_a_closed_team();
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0021_paused_sessions"), ("accounts", "0011_closed_teams")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
