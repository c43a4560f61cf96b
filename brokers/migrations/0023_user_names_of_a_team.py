import django.db.models.functions.text
from django.db import migrations, models
from django.db.models.functions import Lower


def keep_the_first(apps, schema_editor):
    """On the way back, of connections of several teams that share a user the first one stays on."""
    Connection = apps.get_model("brokers", "Connection")
    taken = set()
    rows = Connection.objects.filter(enabled=True).exclude(proved_at=None).exclude(environment="simulated")
    for row in rows.order_by("pk").annotate(folded=Lower("username")):
        name = (row.folded, row.environment)
        if name in taken:
            Connection.objects.filter(pk=row.pk).update(enabled=False)
        taken.add(name)


class Migration(migrations.Migration):
    dependencies = [("brokers", "0022_closed_teams")]

    operations = [
        migrations.RemoveConstraint(model_name="connection", name="one_enabled_connection_per_username"),
        migrations.RunSQL(migrations.RunSQL.noop, "SET CONSTRAINTS ALL IMMEDIATE"),
        migrations.RunPython(migrations.RunPython.noop, keep_the_first),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("username"),
                models.F("environment"),
                condition=models.Q(("enabled", True), ("environment", "simulated")),
                name="one_enabled_connection_per_username",
            ),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(
                models.F("team"),
                django.db.models.functions.text.Lower("username"),
                models.F("environment"),
                condition=models.Q(("enabled", True), ("proved_at__isnull", False)),
                name="one_enabled_connection_per_username_in_a_team",
            ),
        ),
    ]
