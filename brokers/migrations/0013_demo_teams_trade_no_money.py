from django.db import migrations

REFUSE = """
CREATE FUNCTION brokers_refuse_live_money_of_a_demo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM accounts_team WHERE id = NEW.team_id AND is_demo) THEN
        RAISE EXCEPTION 'a demo team never holds a live connection'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'demo_team_never_holds_a_live_connection';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER demo_team_never_holds_a_live_connection
    BEFORE INSERT OR UPDATE OF team_id, environment, enabled ON brokers_connection
    FOR EACH ROW WHEN (NEW.environment = 'live' AND NEW.enabled)
    EXECUTE FUNCTION brokers_refuse_live_money_of_a_demo();
"""
ALLOW = """
DROP TRIGGER demo_team_never_holds_a_live_connection ON brokers_connection;
DROP FUNCTION brokers_refuse_live_money_of_a_demo();
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0012_confirmed_exits"), ("accounts", "0003_demo_teams")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
