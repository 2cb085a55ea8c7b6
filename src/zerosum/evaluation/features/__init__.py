"""Feature networks, one a file."""
