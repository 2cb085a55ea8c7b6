"""Zerosum: train every classic GAN on your own data, on any machine."""

__version__ = "0.1.0"
