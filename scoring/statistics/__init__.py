"""Statistics of scores: plain functions over numbers, each with its published source (docs/STATISTICS.md)."""
