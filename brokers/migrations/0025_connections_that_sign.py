"""A connection may sign in with keys of its own."""

from django.db import migrations, models

import brokers.domain.sessions


class Migration(migrations.Migration):
    dependencies = [("brokers", "0024_opted_into_live_money")]

    operations = [
        migrations.AlterField(
            model_name="connection",
            name="auth_method",
            field=models.CharField(
                choices=[("gateway", "Gateway"), ("oauth", "Oauth")],
                default=brokers.domain.sessions.AuthMethod["GATEWAY"],
                max_length=20,
            ),
        ),
    ]
