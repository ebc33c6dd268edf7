"""The roof: one file of commands per meaning; main.py registers them. May import every room."""
