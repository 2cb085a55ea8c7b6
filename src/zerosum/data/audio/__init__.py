"""Sounds as data: files, preparation, log-mel samples and their codec."""
