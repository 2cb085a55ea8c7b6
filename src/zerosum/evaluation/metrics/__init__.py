"""Metrics, one per file, as pure functions of features."""
