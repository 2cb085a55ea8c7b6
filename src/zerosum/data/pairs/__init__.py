"""Pairs of images: inputs and targets of translation."""
