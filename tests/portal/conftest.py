"""Django on a database of its own, two programmes with everybody in them. Without the extra `portal` nothing here runs."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest

collect_ignore_glob: list[str] = []
if any(find_spec(name) is None for name in ("allauth", "whitenoise", "fido2", "jwt", "requests", "onelogin")):
    collect_ignore_glob.append("test_*.py")
else:
    from tests.portal import site


@pytest.fixture(scope="session")
def portal_database():
    from django.core.management import call_command
    from django.db import connections
    from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment

    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False, keepdb=False)
    call_command("createcachetable", verbosity=0)
    yield
    for connection in connections.all():
        connection.close()
    teardown_databases(old, verbosity=0)
    teardown_test_environment()
    shutil.rmtree(site.HOME, ignore_errors=True)


@pytest.fixture
def rolled_back(portal_database):
    """What a test writes is gone after it."""
    from django.core import mail
    from django.db import transaction

    mail.outbox.clear()
    whole = transaction.atomic()
    whole.__enter__()
    yield
    transaction.set_rollback(True)
    whole.__exit__(None, None, None)


@pytest.fixture
def home(rolled_back):
    return site.make_place("home")


@pytest.fixture
def away(rolled_back):
    return site.make_place("away")
