"""Networks: one architecture per file, with its generator and discriminator; their settings are in `configs`."""
