"""The database itself refuses to change or delete entries of the audit log."""

from __future__ import annotations

from typing import Any

from django.db import migrations

SQLITE = """
CREATE TRIGGER portal_audit_{what} BEFORE {what} ON portal_auditentry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""
POSTGRESQL = """
CREATE FUNCTION portal_audit_refuse() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the audit log is append-only'; END; $$ LANGUAGE plpgsql;
CREATE TRIGGER portal_audit_refuse BEFORE UPDATE OR DELETE ON portal_auditentry
FOR EACH ROW EXECUTE FUNCTION portal_audit_refuse();
"""


def guard(apps: Any, editor: Any) -> None:
    """Put the triggers on."""
    if editor.connection.vendor == "sqlite":
        for what in ("UPDATE", "DELETE"):
            editor.execute(SQLITE.format(what=what))
    else:
        editor.execute(POSTGRESQL)


class Migration(migrations.Migration):
    """After the tables."""

    dependencies = [("portal", "0001_initial")]
    operations = [migrations.RunPython(guard, migrations.RunPython.noop)]
