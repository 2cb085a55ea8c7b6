"""Points in the plane from mixtures of Gaussians."""
