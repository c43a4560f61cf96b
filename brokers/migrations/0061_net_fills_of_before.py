from django.db import migrations

# One statement sees one moment: what the triggers have noted since they exist is in both sums of that moment, so the
# difference is what was filled before. It reads all orders and holds up nobody.
FILL = """
INSERT INTO brokers_netfill (account_id, conid, quantity)
SELECT account_id, conid, sum(quantity) FROM (
    SELECT account_id, conid, CASE side WHEN 'buy' THEN filled_quantity ELSE -filled_quantity END AS quantity
      FROM brokers_order WHERE filled_quantity <> 0
    UNION ALL
    SELECT account_id, conid, -quantity FROM brokers_netfill
) AS each GROUP BY account_id, conid HAVING sum(quantity) <> 0
"""


class Migration(migrations.Migration):
    dependencies = [("brokers", "0060_net_fills")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
