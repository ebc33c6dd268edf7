"""Measures taken from baked patients, never from their parameters."""
