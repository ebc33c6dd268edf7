"""The application as Django knows it."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The portal's tables and pages."""

    name = "scoring.portal"
    label = "portal"
    verbose_name = "Scottie portal"
