"""With this file, pytest puts the folder on the path: `tiny_generators` can be imported from folders below too."""
