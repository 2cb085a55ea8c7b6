"""Scores of the rows of tables: one file a subject."""
