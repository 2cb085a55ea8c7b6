"""Write trained networks in forms that run elsewhere."""
