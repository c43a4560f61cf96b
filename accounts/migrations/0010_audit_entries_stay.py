"""What every entry of the audit has, and the triggers that keep it."""

import django.db.models.deletion
from django.db import migrations, models

TRIGGERS = """
CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A team or a person may go; what they were called stays in the entry. Nothing else of it ever changes.
    IF TG_OP = 'UPDATE' THEN
        IF NEW.actor_id IS NULL THEN OLD.actor_id := NULL; END IF;
        IF NEW.team_id IS NULL THEN OLD.team_id := NULL; END IF;
        IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
    ELSIF coalesce(current_setting('halyard.audit_removal', true), '') = 'lawful' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Entries of the audit are never changed and never removed. See "manage.py audit remove".'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_entries_stay';
END $$;
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entries_stay();
CREATE TRIGGER audit_entries_are_not_emptied BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_stay();

CREATE FUNCTION audit_chains_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' AND coalesce(current_setting('halyard.audit_removal', true), '') = 'lawful' THEN
        RETURN OLD;
    END IF;
    -- A chain only gets longer, at its end and in what was removed from its beginning.
    IF TG_OP = 'UPDATE' AND NEW.number >= OLD.number AND NEW.removed_number >= OLD.removed_number
        AND NEW.code = OLD.code AND NEW.kind = OLD.kind AND NEW.id = OLD.id
        AND (NEW.team_id IS NULL OR NEW.team_id IS NOT DISTINCT FROM OLD.team_id)
        AND (NEW.person_id IS NULL OR NEW.person_id IS NOT DISTINCT FROM OLD.person_id)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'Chains of the audit are never shortened and never removed. See "manage.py audit remove".'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_chains_stay';
END $$;
CREATE TRIGGER audit_chains_stay BEFORE UPDATE OR DELETE ON accounts_auditchain
    FOR EACH ROW EXECUTE FUNCTION audit_chains_stay();
CREATE TRIGGER audit_chains_are_not_emptied BEFORE TRUNCATE ON accounts_auditchain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_chains_stay();

CREATE FUNCTION audit_keys_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' AND coalesce(current_setting('halyard.audit_removal', true), '') = 'lawful' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Keys of the audit are never removed: what they have signed could not be verified any more.'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_keys_stay';
END $$;
CREATE TRIGGER audit_keys_stay BEFORE DELETE ON accounts_auditkey
    FOR EACH ROW EXECUTE FUNCTION audit_keys_stay();
CREATE TRIGGER audit_keys_are_not_emptied BEFORE TRUNCATE ON accounts_auditkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keys_stay();
"""

NO_TRIGGERS = """
DROP TRIGGER audit_entries_stay ON accounts_auditentry;
DROP TRIGGER audit_entries_are_not_emptied ON accounts_auditentry;
DROP TRIGGER audit_chains_stay ON accounts_auditchain;
DROP TRIGGER audit_chains_are_not_emptied ON accounts_auditchain;
DROP TRIGGER audit_keys_stay ON accounts_auditkey;
DROP TRIGGER audit_keys_are_not_emptied ON accounts_auditkey;
DROP FUNCTION audit_entries_stay();
DROP FUNCTION audit_chains_stay();
DROP FUNCTION audit_keys_stay();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_sign_audit_entries")]

    operations = [
        migrations.AlterField(
            "auditentry", "chain",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="accounts.auditchain"),
        ),
        migrations.AlterField(
            "auditentry", "key",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.auditkey"),
        ),
        migrations.AlterField("auditentry", "number", models.PositiveBigIntegerField()),
        migrations.AddConstraint(
            model_name="auditentry",
            constraint=models.UniqueConstraint(fields=("chain", "number"), name="audit_chain_never_forks"),
        ),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["team", "-id"], name="audit_newest_of_team")
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
