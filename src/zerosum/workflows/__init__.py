"""The workflows of the Python API and the command line, one per module."""
