"""Evaluation of each kind of data: its features and its own scores."""
