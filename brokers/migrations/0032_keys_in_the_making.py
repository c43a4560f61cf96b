"""Keys that Halyard makes, users on their way to IBKR's page, and access that was revoked."""

import accounts.constraints
import accounts.vault.fields
import brokers.domain.sessions
import brokers.domain.tokens
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


def older_words(apps, schema_editor):
    """Code that does not know the newer words calls revoked refused; what it cannot sign in with is removed."""
    for name, column in (("Connection", "session_status"), ("SessionEvent", "status")):
        apps.get_model("brokers", name).objects.filter(**{column: "revoked"}).update(**{column: "refused"})
    signed = apps.get_model("brokers", "Connection").objects.filter(auth_method="oauth_operator")
    signed.update(auth_method="oauth", enabled=False)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_closed_teams'),
        ('brokers', '0031_live_session_tokens'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Authorization',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('request_token', models.CharField(max_length=200, unique=True)),
                ('browser_sha256', models.CharField(max_length=64)),
                ('wishes', models.JSONField(default=dict)),
                ('asked_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('problem', models.CharField(blank=True, default='', max_length=300)),
                ('problem_code', models.CharField(blank=True, default='', max_length=40)),
            ],
            options={
                'verbose_name': "way to IBKR's page",
                'verbose_name_plural': "ways to IBKR's page",
            },
        ),
        migrations.CreateModel(
            name='KeySet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('consumer_key', models.CharField(max_length=9)),
                ('keys', accounts.vault.fields.SealedField(blank=True, default=accounts.vault.fields.Sealed)),
                ('step', models.CharField(choices=[('waiting', 'Waiting'), ('signature', 'Signature'), ('encryption', 'Encryption'), ('prime', 'Prime'), ('made', 'Made')], default=brokers.domain.tokens.KeyStep['WAITING'], max_length=20)),
                ('step_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('in_hand', models.BooleanField(default=False)),
                ('in_hand_until', models.DateTimeField(blank=True, null=True)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'verbose_name': 'set of keys in the making',
                'verbose_name_plural': 'sets of keys in the making',
            },
        ),
        migrations.RemoveConstraint(
            model_name='connection',
            name='connection_session_status_is_known',
        ),
        migrations.AlterField(
            model_name='connection',
            name='auth_method',
            field=models.CharField(choices=[('gateway', 'Gateway'), ('oauth', 'Oauth'), ('oauth_operator', 'Oauth operator')], default=brokers.domain.sessions.AuthMethod['GATEWAY'], max_length=20),
        ),
        migrations.AlterField(
            model_name='connection',
            name='session_status',
            field=models.CharField(choices=[('signed_out', 'Signed out'), ('connecting', 'Connecting'), ('active', 'Active'), ('competing', 'Competing'), ('resetting', 'Resetting'), ('unreachable', 'Unreachable'), ('refused', 'Refused'), ('paused', 'Paused'), ('not_opened', 'Not opened'), ('pending', 'Pending'), ('revoked', 'Revoked')], default=brokers.domain.sessions.SessionStatus['SIGNED_OUT'], max_length=20),
        ),
        migrations.AlterField(
            model_name='sessionevent',
            name='status',
            field=models.CharField(choices=[('signed_out', 'Signed out'), ('connecting', 'Connecting'), ('active', 'Active'), ('competing', 'Competing'), ('resetting', 'Resetting'), ('unreachable', 'Unreachable'), ('refused', 'Refused'), ('paused', 'Paused'), ('not_opened', 'Not opened'), ('pending', 'Pending'), ('revoked', 'Revoked')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('session_status__in', ['signed_out', 'connecting', 'active', 'competing', 'resetting', 'unreachable', 'refused', 'paused', 'not_opened', 'pending', 'revoked'])), name='connection_session_status_is_known'),
        ),
        migrations.AddField(
            model_name='authorization',
            name='connection',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='authorizations', to='brokers.connection'),
        ),
        migrations.AddField(
            model_name='authorization',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='authorizations', to='accounts.team'),
        ),
        migrations.AddField(
            model_name='authorization',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='keyset',
            name='actor',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='keyset',
            name='connection',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='key_sets', to='brokers.connection'),
        ),
        migrations.AddField(
            model_name='keyset',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='key_sets', to='accounts.team'),
        ),
        migrations.AddConstraint(
            model_name='authorization',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('asked_at'))), name='authorization_ends_after_it_began'),
        ),
        migrations.AddConstraint(
            model_name='authorization',
            constraint=accounts.constraints.SameTeam(field='connection', name='authorization_and_its_connection_share_a_team', violation_error_message='This connection belongs to another team.'),
        ),
        migrations.AddConstraint(
            model_name='keyset',
            constraint=models.UniqueConstraint(condition=models.Q(('in_hand', True)), fields=('in_hand',), name='one_key_set_is_made_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='keyset',
            constraint=models.CheckConstraint(condition=models.Q(('step__in', ['waiting', 'signature', 'encryption', 'prime', 'made'])), name='key_set_step_is_known'),
        ),
        migrations.AddConstraint(
            model_name='keyset',
            constraint=accounts.constraints.SameTeam(field='connection', name='key_set_and_its_connection_share_a_team', violation_error_message='This connection belongs to another team.'),
        ),
        migrations.RunPython(migrations.RunPython.noop, older_words, elidable=True),
    ]
