"""Evaluation: feature networks, metrics on their features, and the protocol that makes scores comparable."""
