"""Inference: load a trained generator or translator, sample, interpolate, edit and invert."""
