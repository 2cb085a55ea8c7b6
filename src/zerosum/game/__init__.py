"""GAN training as a game: players, moves, plays, objectives and terms."""
