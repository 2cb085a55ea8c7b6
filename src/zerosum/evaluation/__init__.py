"""Judging: features of images, distances between sets of them, and the protocol that makes a score mean something."""
