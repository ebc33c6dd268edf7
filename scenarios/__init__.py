"""Wiring: scenario files, tools and patients become a Study; scripted operators act on it."""
