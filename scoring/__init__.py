"""Scores, and the records that let others recompute them (docs/RECORD.md)."""
