"""Molecules as SMILES texts."""
