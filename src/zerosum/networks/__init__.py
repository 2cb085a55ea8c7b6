"""Networks: one architecture a file, generator and discriminator together; their settings in `shapes`."""
