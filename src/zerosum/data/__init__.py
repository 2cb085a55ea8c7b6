"""Data: a quick glance at a source, its intake into arrays, and the toys whose density is known."""
