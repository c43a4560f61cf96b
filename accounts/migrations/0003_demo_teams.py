from django.contrib.auth.hashers import check_password, make_password
from django.db import migrations, models

EMAIL, PUBLISHED = "demo@halyard.local", "halyard-demo-sails"


def close_what_everybody_can_open(apps, schema_editor):
    """Mark the demo's team, and take away the password that every installation's demo once had.

    `make run` and `manage.py demo` print the new one.
    """
    user = apps.get_model("accounts", "User").objects.filter(email=EMAIL).first()
    if user is None:
        return
    apps.get_model("accounts", "Team").objects.filter(name="Demo team", memberships__user=user).update(is_demo=True)
    if check_password(PUBLISHED, user.password):
        user.password = make_password(None)
        user.save(update_fields=["password"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_mail_approvals")]

    operations = [
        migrations.AddField(
            model_name="team",
            name="is_demo",
            field=models.BooleanField(default=False, editable=False, db_default=False),
        ),
        migrations.RunPython(close_what_everybody_can_open, migrations.RunPython.noop),
    ]
