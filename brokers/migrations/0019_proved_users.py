import django.db.models.functions.text
from django.db import migrations, models
from django.db.models.functions import Lower


def believe_what_trades(apps, schema_editor):
    """Users whose accounts were seen are proved. Of names that differ in letter case only, the first one stays."""
    Connection = apps.get_model("brokers", "Connection")
    Connection.objects.filter(accounts__isnull=False).update(proved_at=models.F("created_at"))
    taken = set()
    for row in Connection.objects.filter(enabled=True).order_by("pk").annotate(folded=Lower("username")):
        if row.proved_at is None and row.environment != "simulated":
            continue
        name = (row.folded, row.environment)
        if name in taken:
            Connection.objects.filter(pk=row.pk).update(enabled=False)
        taken.add(name)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0018_simulated_prices")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="proved_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(believe_what_trades, migrations.RunPython.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="connection", name="one_enabled_connection_per_username"),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("username"),
                models.F("environment"),
                condition=models.Q(
                    ("enabled", True),
                    models.Q(("proved_at__isnull", False), ("environment", "simulated"), _connector="OR"),
                ),
                name="one_enabled_connection_per_username",
            ),
        ),
    ]
