"""Degradations of images, one a file: what makes pairs out of one folder."""
