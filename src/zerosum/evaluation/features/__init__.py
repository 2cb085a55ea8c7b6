"""Feature networks, one per file, and the extraction of features from sets of samples."""
