"""Inputs and targets of image-to-image translation."""
