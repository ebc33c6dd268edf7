"""The tables."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import scoring.portal.models


class Migration(migrations.Migration):
    """The first."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("is_active", models.BooleanField(default=True)),
                ("is_superuser", models.BooleanField(default=False)),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField(unique=True)),
                ("at", models.CharField(max_length=20)),
                ("programme", models.CharField(blank=True, db_index=True, max_length=40)),
                ("actor", models.CharField(max_length=80)),
                ("action", models.CharField(max_length=40)),
                ("target", models.CharField(blank=True, max_length=200)),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("head", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Cohort",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
            ],
        ),
        migrations.CreateModel(
            name="Learner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pseudonym", models.CharField(max_length=64)),
                ("external_id", models.CharField(blank=True, max_length=200)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("salt", models.BinaryField(default=b"")),
                ("erased", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Programme",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("secret", models.BinaryField(default=scoring.portal.models.programme_secret)),
                ("trusted", models.JSONField(default=list)),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Assignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200)),
                ("mode", models.CharField(choices=[("practice", "practice"), ("assessment", "assessment")], max_length=12)),
                ("scenarios", models.JSONField(default=list)),
                ("battery", models.BinaryField(default=b"")),
                ("seeds", models.JSONField(default=list)),
                ("opens", models.DateTimeField()),
                ("due", models.DateTimeField()),
                ("attempts_allowed", models.PositiveIntegerField(default=0)),
                ("target_percent", models.PositiveIntegerField(null=True)),
                ("closed", models.BooleanField(default=False)),
                ("cohort", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.cohort")),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("outcome", models.CharField(max_length=20)),
                ("document", models.BinaryField()),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
                ("assignment", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.assignment")),
                ("learner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.learner")),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("expires", models.DateTimeField()),
                ("used", models.DateTimeField(null=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name="cohort",
            name="learners",
            field=models.ManyToManyField(to="portal.learner"),
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[("fellow", "fellow"), ("director", "director"), ("committee", "committee"), ("admin", "admin")],
                        max_length=12,
                    ),
                ),
                (
                    "learner",
                    models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="portal.learner"),
                ),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="DeviceCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("user_code", models.CharField(max_length=9, unique=True)),
                ("expires", models.DateTimeField()),
                ("polled", models.DateTimeField(null=True)),
                ("membership", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="portal.membership")),
            ],
        ),
        migrations.AddField(
            model_name="learner",
            name="programme",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme"),
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
                ("text", models.TextField(max_length=4000)),
                ("assignment", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.assignment")),
                (
                    "author",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL),
                ),
                ("learner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.learner")),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.AddField(
            model_name="cohort",
            name="programme",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme"),
        ),
        migrations.CreateModel(
            name="Badge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("credential", models.CharField(max_length=100)),
                ("token", models.TextField()),
                ("issued", models.DateTimeField(default=django.utils.timezone.now)),
                ("revoked", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("decision", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="portal.decision")),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.PositiveIntegerField()),
                ("received", models.DateTimeField(default=django.utils.timezone.now)),
                ("state", models.CharField(db_index=True, default="queued", max_length=8)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("status", models.CharField(blank=True, max_length=20)),
                ("reason", models.TextField(blank=True)),
                ("record_id", models.CharField(blank=True, db_index=True, max_length=64)),
                ("row", models.JSONField(default=dict)),
                ("learner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.learner")),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="Standard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("procedure", models.CharField(max_length=200)),
                ("sha256", models.CharField(max_length=64)),
                ("document", models.BinaryField()),
                ("adopted", models.DateTimeField(default=django.utils.timezone.now)),
                ("programme", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="portal.programme")),
            ],
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(blank=True, max_length=100)),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires", models.DateTimeField()),
                ("membership", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="portal.membership")),
            ],
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made", models.DateTimeField(default=django.utils.timezone.now)),
                ("engine", models.CharField(max_length=40)),
                ("status", models.CharField(max_length=20)),
                ("reason", models.TextField()),
                ("key", models.CharField(blank=True, max_length=64)),
                ("header", models.JSONField(default=dict)),
                ("moments", models.JSONField(default=list)),
                ("attempt", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="portal.attempt")),
            ],
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("user", "programme"), name="one_role_each"),
        ),
        migrations.AddConstraint(
            model_name="learner",
            constraint=models.UniqueConstraint(fields=("pseudonym",), name="pseudonym_once"),
        ),
        migrations.AddConstraint(
            model_name="learner",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=("programme", "external_id"),
                name="learner_id_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="cohort",
            constraint=models.UniqueConstraint(fields=("programme", "name"), name="cohort_once"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("programme", "sha256"), name="attempt_once"),
        ),
    ]
