"""Degradations of images, one family per file, which make input-target pairs from a single source of targets."""
