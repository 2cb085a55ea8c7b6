"""Images: finding, decoding, caching and summarizing them."""
