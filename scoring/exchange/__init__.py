"""Formats that other systems read: CSV tables, xAPI statements, Open Badges."""
