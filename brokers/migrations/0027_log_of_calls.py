import accounts.constraints
import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_closed_teams'),
        ('brokers', '0026_session_states'),
    ]

    operations = [
        migrations.CreateModel(
            name='Call',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('at', models.DateTimeField()),
                ('method', models.CharField(max_length=8)),
                ('endpoint', models.CharField(max_length=120)),
                ('address', models.CharField(max_length=200)),
                ('outcome', models.CharField(choices=[('answered', 'Answered'), ('refused', 'Refused'), ('signed_out', 'Signed out'), ('too_fast', 'Too fast'), ('broker_failed', 'Broker failed'), ('not_delivered', 'Not delivered'), ('no_answer', 'No answer'), ('nonsense', 'Nonsense'), ('given_up', 'Given up')], max_length=20)),
                ('status', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('took_ms', models.FloatField()),
                ('own_ms', models.FloatField()),
                ('size', models.PositiveIntegerField(default=0)),
                ('pace_left', models.SmallIntegerField(blank=True, null=True)),
                ('request', models.CharField(blank=True, max_length=600)),
                ('answer', models.CharField(blank=True, max_length=600)),
                ('missing', models.PositiveIntegerField(default=0)),
                ('connection', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='calls', to='brokers.connection')),
                ('order', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calls', to='brokers.order')),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='accounts.team')),
            ],
            options={
                'verbose_name': 'call to the broker',
                'verbose_name_plural': 'calls to the broker',
                'indexes': [models.Index(fields=['team', '-id'], name='calls_newest_first'), models.Index(fields=['connection', '-id'], name='calls_of_a_connection'), models.Index(condition=models.Q(('order__isnull', False)), fields=['order', 'id'], name='calls_of_an_order')],
                'constraints': [accounts.constraints.SameTeam(field='connection', name='call_and_its_connection_share_a_team', violation_error_message='This connection belongs to another team.'), accounts.constraints.SameTeam(field='order', name='call_and_its_order_share_a_team', violation_error_message='This order belongs to another team.'), models.CheckConstraint(condition=models.Q(('outcome__in', ['answered', 'refused', 'signed_out', 'too_fast', 'broker_failed', 'not_delivered', 'no_answer', 'nonsense', 'given_up'])), name='call_outcome_is_known'), models.CheckConstraint(condition=models.Q(('own_ms__gte', 0), ('took_ms__gte', models.F('own_ms'))), name='call_takes_at_least_our_share')],
            },
        ),
    ]
