"""Mappings in templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def pairs(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries of a mapping. `found.items` in a template is the entry "items" where there is one."""
    return list(found.items())
