"""The door for a web server: gunicorn scoring.portal.wsgi (docs/PORTAL.md)."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scoring.portal.settings")
application = get_wsgi_application()
