"""Settings for the whole suite: no deadlines (compilation and shared machines make them lie), own key and cache folders."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("scottie", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("scottie")
