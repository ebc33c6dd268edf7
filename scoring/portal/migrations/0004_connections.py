"""What is kept about other systems, and an index for the queue."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """After the audit log."""

    dependencies = [
        ("portal", "0003_films_and_drafts"),
    ]

    operations = [
        migrations.CreateModel(
            name="GradeLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("issuer", models.CharField(max_length=300)),
                ("client_id", models.CharField(max_length=200)),
                ("subject", models.CharField(max_length=255)),
                ("line", models.CharField(max_length=1000)),
                ("said", models.TextField(blank=True)),
                ("sent", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Statement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("store", models.CharField(max_length=500)),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["state", "received", "id"], name="attempt_queue"),
        ),
        migrations.AddField(
            model_name="gradeline",
            name="assignment",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="portal.assignment"),
        ),
        migrations.AddField(
            model_name="gradeline",
            name="learner",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="portal.learner"),
        ),
        migrations.AddField(
            model_name="statement",
            name="attempt",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="portal.attempt"),
        ),
        migrations.AddConstraint(
            model_name="gradeline",
            constraint=models.UniqueConstraint(fields=("learner", "assignment", "issuer", "client_id"), name="grade_line_once"),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.UniqueConstraint(fields=("attempt", "store"), name="statement_once"),
        ),
    ]
