"""A certificate that is not believed, and a line that does not come about, are states of a session."""

import brokers.domain.sessions
from django.db import migrations, models


def older_words(apps, schema_editor):
    """Code that does not know the newer words has others for them, and no notice of a certificate."""
    for name, column in (("Connection", "session_status"), ("SessionEvent", "status")):
        rows = apps.get_model("brokers", name).objects
        rows.filter(**{column: "certificate_refused"}).update(**{column: "refused"})
        rows.filter(**{column: "encryption_failed"}).update(**{column: "unreachable"})
    apps.get_model("brokers", "SessionEvent").objects.filter(cause="trial").update(cause="look")
    apps.get_model("brokers", "Notice").objects.filter(kind="certificate-changed").delete()
    # What was deleted is checked now, and not when the tables are being altered.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_closed_teams'),
        ('brokers', '0035_doubts'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='connection',
            name='connection_session_status_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='notice',
            name='notice_kind_is_known',
        ),
        migrations.AlterField(
            model_name='connection',
            name='session_status',
            field=models.CharField(choices=[('signed_out', 'Signed out'), ('connecting', 'Connecting'), ('active', 'Active'), ('competing', 'Competing'), ('resetting', 'Resetting'), ('unreachable', 'Unreachable'), ('refused', 'Refused'), ('paused', 'Paused'), ('not_opened', 'Not opened'), ('pending', 'Pending'), ('revoked', 'Revoked'), ('certificate_refused', 'Certificate refused'), ('encryption_failed', 'Encryption failed')], default=brokers.domain.sessions.SessionStatus['SIGNED_OUT'], max_length=20),
        ),
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=[('not-ready', 'Not-ready'), ('weekly-sign-in', 'Weekly-sign-in'), ('ready-again', 'Ready-again'), ('certificate-changed', 'Certificate-changed')], max_length=20),
        ),
        migrations.AlterField(
            model_name='sessionevent',
            name='cause',
            field=models.CharField(blank=True, choices=[('look', 'Look'), ('tickle', 'Tickle'), ('stream', 'Stream'), ('order', 'Order'), ('opening', 'Opening'), ('person', 'Person'), ('trial', 'Trial')], db_default='', default='', max_length=20),
        ),
        migrations.AlterField(
            model_name='sessionevent',
            name='status',
            field=models.CharField(choices=[('signed_out', 'Signed out'), ('connecting', 'Connecting'), ('active', 'Active'), ('competing', 'Competing'), ('resetting', 'Resetting'), ('unreachable', 'Unreachable'), ('refused', 'Refused'), ('paused', 'Paused'), ('not_opened', 'Not opened'), ('pending', 'Pending'), ('revoked', 'Revoked'), ('certificate_refused', 'Certificate refused'), ('encryption_failed', 'Encryption failed')], max_length=20),
        ),
        migrations.AlterField(
            model_name='silencednotice',
            name='kind',
            field=models.CharField(choices=[('not-ready', 'Not-ready'), ('weekly-sign-in', 'Weekly-sign-in'), ('ready-again', 'Ready-again'), ('certificate-changed', 'Certificate-changed')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('session_status__in', ['signed_out', 'connecting', 'active', 'competing', 'resetting', 'unreachable', 'refused', 'paused', 'not_opened', 'pending', 'revoked', 'certificate_refused', 'encryption_failed'])), name='connection_session_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['not-ready', 'weekly-sign-in', 'ready-again', 'certificate-changed'])), name='notice_kind_is_known'),
        ),
        migrations.RunPython(migrations.RunPython.noop, older_words),
    ]
