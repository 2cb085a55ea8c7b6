"""Diagnosis of a run: signals measured during training, findings about what is wrong, and recommended settings."""
