"""Films of attempts for the replay page, drafts of standards, and what attempts used up."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Two tables and a column."""

    dependencies = [
        ("portal", "0002_audit_is_append_only"),
    ]

    operations = [
        migrations.AddField(model_name="attempt", name="used", field=models.JSONField(default=dict)),
        migrations.CreateModel(
            name="Film",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(db_index=True, default="wanted", max_length=8)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("made", models.DateTimeField(null=True)),
                ("engine", models.CharField(blank=True, max_length=40)),
                ("size", models.PositiveIntegerField(default=0)),
                ("pictures", models.PositiveIntegerField(default=0)),
                ("errors", models.JSONField(default=list)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("attempt", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="portal.attempt")),
            ],
        ),
        migrations.CreateModel(
            name="StandardDraft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
                ("method", models.CharField(max_length=20)),
                ("terms", models.JSONField(default=dict)),
                ("data", models.JSONField(default=dict)),
                (
                    "author",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL),
                ),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
    ]
