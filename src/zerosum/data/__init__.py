"""Datasets: inspecting a source, loading it into arrays, and Gaussian mixtures with a known density."""
