"""Augmentation of the discriminator's input."""
