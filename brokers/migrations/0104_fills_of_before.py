"""Each contract that was traded before trades were made of fills is noted once. Fills are read under no lock but a reader's."""

from django.db import migrations

NOTE = """
INSERT INTO brokers_fillchange (account_id, conid, since)
SELECT account_id, conid, min(executed_at) FROM brokers_execution GROUP BY account_id, conid
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0103_profit_and_loss")]

    operations = [migrations.RunSQL(NOTE, migrations.RunSQL.noop)]
