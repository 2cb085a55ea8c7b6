"""Scores of molecules: those of MOSES (Polykovskiy et al. 2020, arXiv:1811.12823)."""
