"""The loop, the machine it runs on, and what is kept of it."""
