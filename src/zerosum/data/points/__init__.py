"""Two-dimensional points from mixtures of Gaussians."""
