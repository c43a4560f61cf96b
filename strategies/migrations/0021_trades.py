"""Trades and days of profit, made of executions: tables of their own, so that nobody who trades waits for this."""

import accounts.constraints
import django.db.models.deletion
import django.db.models.expressions
import uuid
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_scheduled_tasks'),
        ('brokers', '0104_fills_of_before'),
        ('strategies', '0020_options_on_futures_are_checked'),
    ]

    operations = [
        migrations.CreateModel(
            name='Trade',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(choices=[('subscription', 'Subscription'), ('hand', 'By hand'), ('elsewhere', 'Elsewhere')], max_length=12)),
                ('code', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('begun_by', models.CharField(max_length=64)),
                ('number', models.PositiveSmallIntegerField(default=1)),
                ('fingerprint', models.CharField(max_length=32)),
                ('conid', models.BigIntegerField()),
                ('ticker', models.CharField(max_length=40)),
                ('asset_class', models.CharField(blank=True, max_length=20)),
                ('currency', models.CharField(max_length=3)),
                ('home_currency', models.CharField(max_length=3)),
                ('multiplier', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('side', models.CharField(choices=[('buy', 'Buy'), ('sell', 'Sell')], max_length=20)),
                ('status', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed'), ('unseen', 'Opened unseen')], max_length=6)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('entered', models.DecimalField(decimal_places=8, max_digits=24)),
                ('exited', models.DecimalField(decimal_places=8, max_digits=24)),
                ('left', models.DecimalField(decimal_places=8, max_digits=24)),
                ('average', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('entry_price', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('exit_price', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('most', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('realized', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('fees', models.DecimalField(decimal_places=8, max_digits=24)),
                ('fees_missing', models.PositiveIntegerField(default=0)),
                ('realized_home', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('fees_home', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('profit_home', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('rate', models.DecimalField(blank=True, decimal_places=10, max_digits=24, null=True)),
                ('rate_as_of', models.DateTimeField(blank=True, null=True)),
                ('signal_price', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('slippage', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('slippage_points', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('latency_ms', models.PositiveBigIntegerField(blank=True, null=True)),
                ('fills', models.PositiveIntegerField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='brokers.brokerageaccount')),
                ('signal', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='strategies.signal')),
                ('strategy', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='strategies.strategy')),
                ('subscription', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='strategies.subscription')),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='trades', to='accounts.team')),
            ],
        ),
        migrations.CreateModel(
            name='TradePart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_entry', models.BooleanField()),
                ('units', models.DecimalField(decimal_places=8, max_digits=24)),
                ('fee', models.DecimalField(decimal_places=8, default=Decimal('0'), max_digits=24)),
                ('realized', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('execution', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='trade_parts', to='brokers.execution')),
                ('trade', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='strategies.trade')),
            ],
            options={
                'verbose_name': 'part of a trade',
                'verbose_name_plural': 'parts of trades',
            },
        ),
        migrations.CreateModel(
            name='ProfitDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(choices=[('subscription', 'Subscription'), ('hand', 'By hand'), ('elsewhere', 'Elsewhere')], max_length=12)),
                ('day', models.DateField()),
                ('conid', models.BigIntegerField()),
                ('ticker', models.CharField(max_length=40)),
                ('currency', models.CharField(max_length=3)),
                ('home_currency', models.CharField(max_length=3)),
                ('realized', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('fees', models.DecimalField(decimal_places=8, max_digits=24)),
                ('realized_home', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('fees_home', models.DecimalField(blank=True, decimal_places=8, max_digits=24, null=True)),
                ('fills', models.PositiveIntegerField()),
                ('unseen', models.PositiveIntegerField(default=0)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='profit_days', to='brokers.brokerageaccount')),
                ('strategy', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='profit_days', to='strategies.strategy')),
                ('subscription', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='profit_days', to='strategies.subscription')),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='profit_days', to='accounts.team')),
            ],
            options={
                'verbose_name': 'day of profit',
                'verbose_name_plural': 'days of profit',
                'indexes': [models.Index(fields=['team', 'day'], name='days_of_profit_of_a_team'), models.Index(fields=['subscription', 'day'], name='days_of_profit_of_a_sub')],
                'constraints': [accounts.constraints.SameTeam(field='account', name='profit_day_and_its_account_share_a_team', violation_error_message='This account belongs to another team.'), accounts.constraints.SameTeam(field='subscription', name='profit_day_and_its_subscription_share_a_team', violation_error_message='This subscription belongs to another team.'), accounts.constraints.SameTeam(field='strategy', name='profit_day_and_its_strategy_share_a_team', violation_error_message='This strategy belongs to another team.'), models.UniqueConstraint(fields=('account', 'conid', 'day', 'owner', 'subscription'), name='one_day_of_profit_per_owner_and_contract', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('owner', 'subscription'), ('strategy__isnull', False), ('subscription__isnull', False)), models.Q(models.Q(('owner', 'subscription'), _negated=True), ('strategy', None), ('subscription', None)), _connector='OR'), name='day_of_profit_of_a_subscription_names_it')],
            },
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['team', '-opened_at', '-id'], name='trades_newest_first'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['team', 'profit_home'], name='trades_by_profit'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['team', 'ticker', '-opened_at'], name='trades_of_a_ticker'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['subscription', '-opened_at'], name='trades_of_a_subscription'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['strategy', '-opened_at'], name='trades_of_a_strategy'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['account', 'conid', 'opened_at'], name='trades_of_a_contract'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(condition=models.Q(('status', 'open')), fields=['team', 'account'], name='trades_that_are_open'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(condition=models.Q(('signal__isnull', False)), fields=['signal'], name='trades_of_a_signal'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.UniqueConstraint(fields=('team', 'id'), name='trade_id_is_unique_in_its_team'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=accounts.constraints.SameTeam(field='account', name='trade_and_its_account_share_a_team', violation_error_message='This account belongs to another team.'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=accounts.constraints.SameTeam(field='subscription', name='trade_and_its_subscription_share_a_team', violation_error_message='This subscription belongs to another team.'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=accounts.constraints.SameTeam(field='strategy', name='trade_and_its_strategy_share_a_team', violation_error_message='This strategy belongs to another team.'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=accounts.constraints.SameTeam(field='signal', name='trade_and_its_signal_share_a_team', violation_error_message='This signal belongs to another team.'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.UniqueConstraint(fields=('account', 'begun_by', 'number'), name='one_trade_per_fill_that_begins_it'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(('side__in', ['buy', 'sell'])), name='trade_side_is_known'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('owner', 'subscription'), ('strategy__isnull', False), ('subscription__isnull', False)), models.Q(models.Q(('owner', 'subscription'), _negated=True), ('strategy', None), ('subscription', None)), _connector='OR'), name='trade_of_a_subscription_names_it'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('left__gt', 0), ('status', 'open')), models.Q(('closed_at__gte', models.F('opened_at')), ('closed_at__isnull', False), ('left', 0), ('status__in', ['closed', 'unseen'])), _connector='OR'), name='trade_that_is_over_has_its_end_and_holds_nothing'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('entered', 0), ('profit_home', None), ('realized', None), ('status', 'unseen')), models.Q(models.Q(('status', 'unseen'), _negated=True), ('entered__gt', 0)), _connector='OR'), name='trade_opened_unseen_has_no_profit'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(('profit_home', None), models.Q(('fees_home__isnull', False), ('profit_home', django.db.models.expressions.CombinedExpression(models.F('realized_home'), '-', models.F('fees_home'))), ('realized_home__isnull', False)), _connector='OR'), name='trade_profit_is_what_it_realized_less_fees'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(('exited__gte', 0), ('fills__gt', 0)), name='trade_is_made_of_fills'),
        ),
        migrations.AddIndex(
            model_name='tradepart',
            index=models.Index(fields=['execution'], name='trade_parts_of_a_fill'),
        ),
        migrations.AddConstraint(
            model_name='tradepart',
            constraint=models.UniqueConstraint(fields=('trade', 'execution'), name='one_part_per_trade_and_fill'),
        ),
        migrations.AddConstraint(
            model_name='tradepart',
            constraint=models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='part_of_a_trade_has_units'),
        ),
    ]
