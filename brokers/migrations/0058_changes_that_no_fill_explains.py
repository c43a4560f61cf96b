"""Changes of holdings that no fill explains; and an order whose cancel found nothing may come into doubt.

The check of moves counts for new rows at once; the next migration looks at those that are there.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import accounts.constraints


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_closed_teams'),
        ('brokers', '0057_orders_home_in'),
    ]

    operations = [
        migrations.CreateModel(
            name='UnexplainedChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('conid', models.BigIntegerField()),
                ('before', models.DecimalField(decimal_places=8, max_digits=24)),
                ('before_at', models.DateTimeField()),
                ('quantity', models.DecimalField(decimal_places=8, max_digits=24)),
                ('since', models.DateTimeField()),
                ('as_of', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'change that no fill explains',
                'verbose_name_plural': 'changes that no fill explains',
            },
        ),
        migrations.RemoveConstraint(
            model_name='orderevent',
            name='order_event_is_a_legal_move',
        ),
        AddConstraintNotValid(
            model_name='orderevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('new', 'created'), ('old', '')), models.Q(('new__in', ['canceled', 'denied', 'expired', 'submitted']), ('old', 'created')), models.Q(('new__in', ['accepted', 'canceled', 'created', 'expired', 'filled', 'needs_attention', 'partially_filled', 'pending_cancel', 'rejected', 'unknown']), ('old', 'submitted')), models.Q(('new__in', ['accepted', 'canceled', 'expired', 'filled', 'needs_attention', 'partially_filled', 'pending_cancel', 'rejected', 'submitted']), ('old', 'unknown')), models.Q(('new__in', ['accepted', 'canceled', 'expired', 'filled', 'partially_filled', 'pending_cancel', 'rejected']), ('old', 'needs_attention')), models.Q(('new__in', ['canceled', 'expired', 'filled', 'partially_filled', 'pending_cancel', 'rejected', 'unknown']), ('old', 'accepted')), models.Q(('new__in', ['canceled', 'expired', 'filled', 'pending_cancel', 'unknown']), ('old', 'partially_filled')), models.Q(('new__in', ['accepted', 'canceled', 'expired', 'filled', 'partially_filled', 'rejected', 'unknown']), ('old', 'pending_cancel')), models.Q(('new__in', ['filled', 'partially_filled']), ('old', 'canceled')), models.Q(('new__in', ['filled', 'partially_filled']), ('old', 'expired')), models.Q(('new__in', ['accepted', 'filled', 'partially_filled']), ('old', 'rejected')), models.Q(('new__in', ['partially_filled']), ('old', 'filled')), models.Q(('new', 'accepted'), ('old', 'accepted')), models.Q(('new', 'needs_attention'), ('old', 'needs_attention')), models.Q(('new', 'partially_filled'), ('old', 'partially_filled')), models.Q(('new', 'pending_cancel'), ('old', 'pending_cancel')), models.Q(('new', 'submitted'), ('old', 'submitted')), models.Q(('new', 'unknown'), ('old', 'unknown')), _connector='OR'), name='order_event_is_a_legal_move'),
        ),
        migrations.AddField(
            model_name='unexplainedchange',
            name='account',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='unexplained_changes', to='brokers.brokerageaccount'),
        ),
        migrations.AddField(
            model_name='unexplainedchange',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='unexplained_changes', to='accounts.team'),
        ),
        migrations.AddConstraint(
            model_name='unexplainedchange',
            constraint=models.UniqueConstraint(fields=('account', 'conid'), name='one_unexplained_change_a_contract'),
        ),
        migrations.AddConstraint(
            model_name='unexplainedchange',
            constraint=models.CheckConstraint(condition=models.Q(('before_at__lte', models.F('as_of')), ('since__lte', models.F('as_of'))), name='unexplained_change_has_its_times'),
        ),
        migrations.AddConstraint(
            model_name='unexplainedchange',
            constraint=accounts.constraints.SameTeam(field='account', name='unexplainedchange_and_its_account_share_a_team', violation_error_message='This account belongs to another team.'),
        ),
    ]
