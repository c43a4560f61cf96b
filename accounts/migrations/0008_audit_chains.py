"""The audit's entries get chains of their own, places in them, and signatures."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone

import accounts.vault.fields


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_deleted_people"), ("accounts", "0007_approval_policy")]

    operations = [
        migrations.CreateModel(
            name="AuditKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret", accounts.vault.fields.SealedField()),
                ("made_at", models.DateTimeField(default=timezone.now, editable=False)),
            ],
            options={"verbose_name": "key of the audit", "verbose_name_plural": "keys of the audit"},
        ),
        migrations.CreateModel(
            name="AuditChain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("kind", models.CharField(choices=[("installation", "This installation"), ("team", "Team"), ("person", "Person")], max_length=12)),
                ("name", models.CharField(max_length=254)),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("head", models.CharField(blank=True, default="", max_length=64)),
                ("removed_number", models.PositiveBigIntegerField(default=0)),
                ("removed_head", models.CharField(blank=True, default="", max_length=64)),
                ("seal", models.CharField(blank=True, default="", max_length=64)),
                ("key", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.auditkey")),
                ("person", models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="audit_chain", to=settings.AUTH_USER_MODEL)),
                ("team", models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="audit_chain", to="accounts.team")),
            ],
            options={
                "verbose_name": "audit chain",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("kind__in", ["installation", "team", "person"])), name="audit_chain_kind_is_known"),
                    models.CheckConstraint(condition=models.Q(("removed_number__lte", models.F("number"))), name="audit_chain_removes_only_what_was"),
                ],
            },
        ),
        migrations.RemoveConstraint(model_name="auditentry", name="audit_chain_never_forks"),
        migrations.AlterField(
            model_name="auditentry",
            name="team",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="audit_entries", to="accounts.team"),
        ),
        migrations.AddField("auditentry", "actor_name", models.CharField(blank=True, default="", max_length=254)),
        migrations.AddField("auditentry", "address", models.CharField(blank=True, default="", max_length=45)),
        migrations.AddField("auditentry", "origin", models.CharField(blank=True, default="", max_length=120)),
        migrations.AddField(
            "auditentry", "chain",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="accounts.auditchain"),
        ),
        migrations.AddField(
            "auditentry", "key",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.auditkey"),
        ),
        migrations.AddField("auditentry", "number", models.PositiveBigIntegerField(null=True)),
    ]
