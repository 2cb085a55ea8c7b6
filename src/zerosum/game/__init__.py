"""The game: players, moves, plays; objectives and terms."""
