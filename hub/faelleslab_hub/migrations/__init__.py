"""Alembic's scripts: one revision per change of tables, in the order of their numbers."""
